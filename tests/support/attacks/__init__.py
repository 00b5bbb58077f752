"""Plays hostile clients beside honest ones, and measures what these notice."""
