"""Answers plain HTTP requests."""
