"""Finds utterances: audio in, audio with the boundaries of speech out."""
