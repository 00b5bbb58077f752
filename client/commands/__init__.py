"""The commands of `dalston-rt`, one module each, and what they share."""
