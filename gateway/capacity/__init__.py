"""Allocates, holds and releases slots on workers, and knows which workers there are."""
