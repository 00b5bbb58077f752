"""Serves WebSocket connections: admission, a connection's frames, the way to another gateway."""
