"""Turns figures into tables, pictures, pages and files."""
