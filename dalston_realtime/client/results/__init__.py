"""Turns the events of a session into transcripts, subtitles and latency figures."""
