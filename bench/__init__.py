"""Measures a server: how fast, how right, how many sessions, at what cost."""
