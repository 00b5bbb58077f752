"""Holds the recordings and sounds that are played, with what is known of them."""
