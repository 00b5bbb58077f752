"""Keeps what a client sent and no final covers yet, and feeds it to one worker after the other."""
