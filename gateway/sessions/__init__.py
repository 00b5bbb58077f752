"""Holds what a session is over all of its connections and workers."""
