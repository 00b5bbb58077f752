"""Is what clients see: the WebSocket endpoint, the way to a worker, REST."""
