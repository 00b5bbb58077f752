"""Serves the pages that people look at, and the client for browsers, from files of this package."""
