"""Serves the clients of the Wyoming protocol, such as Home Assistant, over TCP."""
