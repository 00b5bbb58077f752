"""Runs Parakeet by NeMo: chunks of streams, or utterances, in, text with words out."""
