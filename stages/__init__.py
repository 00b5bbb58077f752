"""Holds the five stages of a worker, a process each, and what they share: messages, channels, the shell."""
