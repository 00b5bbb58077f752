"""Provides a clock for the client that a test drives."""


class HandClock:
    """Time that passes only where somebody sleeps, or where the test says so."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        """Seconds."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        assert seconds >= 0
        self.time += seconds
        self.pauses.append(seconds)
