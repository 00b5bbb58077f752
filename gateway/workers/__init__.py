"""Connects a session to its worker, and watches whether it is alive."""
