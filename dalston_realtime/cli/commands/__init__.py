"""Defines the commands of `dalston-rt`, one module each."""
