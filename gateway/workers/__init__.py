"""Connects a session to its worker, and watches whether both ends are alive."""
