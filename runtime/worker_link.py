"""Defines what a gateway asks a worker, and what it hears from it besides the client's events."""

from typing import Final

PATH: Final = "/v1/session"
AWAY: Final = "away"  # what a gateway says of its client: it is not there, and may come back
BACK: Final = "back"
