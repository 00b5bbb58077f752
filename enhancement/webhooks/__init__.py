"""Tells other servers what became of sessions and jobs, until they have heard it."""
