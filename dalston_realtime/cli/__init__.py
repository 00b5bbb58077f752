"""Is the command `dalston-rt`, one module a command."""
