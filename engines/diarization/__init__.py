"""Finds who speaks when in a recording, and makes vectors by which a voice is known again."""
