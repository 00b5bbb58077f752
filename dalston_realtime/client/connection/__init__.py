"""Keeps a session connected: opens WebSockets, sends, receives, and comes back after a loss."""
