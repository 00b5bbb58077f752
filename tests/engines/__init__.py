"""Checks with real weights what every engine has to keep to."""
