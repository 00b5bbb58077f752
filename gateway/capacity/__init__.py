"""Gets, holds and gives back slots on workers, and knows which workers there are."""
