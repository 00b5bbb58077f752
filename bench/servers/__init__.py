"""Starts the servers that are measured, and loads the engine that one would have."""
