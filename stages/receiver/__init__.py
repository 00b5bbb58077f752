"""Is the worker's WebSocket server: fills the pipeline with audio, and hands gateways the results."""
