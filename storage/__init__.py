"""Keeps what outlives a session: the database of sessions and utterances, and their files."""
