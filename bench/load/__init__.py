"""Plays recordings and made-up sessions to a server."""
