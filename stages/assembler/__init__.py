"""Aligns, numbers and orders hypotheses, and holds the transcript of each session."""
