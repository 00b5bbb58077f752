"""Serves connections for live audio: admission, frames, the way to another gateway, other protocols."""
