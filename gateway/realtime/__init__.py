"""Serves WebSocket connections: admission, frames, the way to another gateway."""
