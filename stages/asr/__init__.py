"""Transcribes utterances of several sessions in one forward pass."""
