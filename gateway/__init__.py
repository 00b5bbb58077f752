"""What clients see: the WebSocket endpoint, the proxy to a worker, and REST."""
