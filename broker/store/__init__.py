"""Is the only door to Redis: connections, scripts, keys, announcements, and the embedded server."""
