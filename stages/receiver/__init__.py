"""Is the worker's WebSocket server: audio of gateways in, pipeline messages out, finished frames back."""
