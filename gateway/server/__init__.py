"""Runs uvicorn: sockets, limits, and a clean end."""
