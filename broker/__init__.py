"""Routes sessions to workers: registry, slots, overflow, heartbeats, checkpoints. Its state is in Redis."""
