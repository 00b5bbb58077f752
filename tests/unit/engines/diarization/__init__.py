"""Tests of the diarizer."""
