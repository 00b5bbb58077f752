"""Connects to Redis, as no other package does: clients, scripts, keys, announcements, the embedded server."""
