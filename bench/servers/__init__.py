"""Starts the servers that are measured."""
