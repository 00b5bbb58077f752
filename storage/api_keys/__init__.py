"""Keeps the API keys: their tables, and what is read and changed of them."""
