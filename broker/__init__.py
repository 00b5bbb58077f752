"""Is the session router: worker registry, allocation, overflow, health; its state is in Redis."""
