"""Holds the measurements, one module each."""
