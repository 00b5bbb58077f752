"""Turns results into tables for a terminal, charts, an HTML page, and a JSON file."""
