"""Finds who the speakers of a recording are: by names given before, enrolled voices and introductions."""
