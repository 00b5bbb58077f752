"""Reads audio for a session: from files, a microphone or standard input, as fast or in real time."""
