"""Holds the five stages of a worker, one process each, and what they share: messages, channels, the process shell."""
