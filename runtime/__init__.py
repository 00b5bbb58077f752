"""Holds what every server process has: process life, settings base, secret, addresses, the worker link, decoders of audio."""
