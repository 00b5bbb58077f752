"""Holds the recordings and sounds that are played, with what is said in them and when."""
