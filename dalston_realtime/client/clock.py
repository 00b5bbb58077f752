"""Provides the clock that the client waits by, so that a test can hand in its own."""

import asyncio
import time
from typing import Protocol


class AsyncClock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after `seconds`; let other tasks run even where that is 0."""
        ...


class WallClock:
    """Real time."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)
