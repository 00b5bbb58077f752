"""The benchmark: recordings through many sessions in real time in, latency, accuracy and cost out."""
