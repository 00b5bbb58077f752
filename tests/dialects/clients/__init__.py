"""Plays scenes through the real libraries of other services, each in an environment of its own."""
