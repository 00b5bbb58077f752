"""Plays audio to a server as many clients do, or to the stages in this process on a simulated clock."""
