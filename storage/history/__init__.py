"""Keeps the records of sessions and their utterances, and finds them again."""
