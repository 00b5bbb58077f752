"""Makes one session of what several workers say, and knows where the next one has to begin."""
