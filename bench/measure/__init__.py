"""Runs a number of sessions, and turns what clients saw and processes used into figures."""
