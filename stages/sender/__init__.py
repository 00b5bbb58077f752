"""Turns results into finished JSON frames."""
