"""Turns finals into text and subtitles, for the client and for the server."""
