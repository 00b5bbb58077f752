"""Reads sessions and utterances: pages, filters and the full-text search."""
