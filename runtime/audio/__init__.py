"""Makes the audio that the models hear, 16 kHz mono, of what clients send."""
