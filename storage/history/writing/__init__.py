"""Writes what gateways say of their sessions, in a thread of its own, when the database takes it."""
