"""Holds what every server process has: its life, settings, secret, addresses, the worker link, decoders."""
