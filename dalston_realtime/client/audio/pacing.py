"""When each chunk of a recording leaves: a chunk is due when its last sample would be recorded."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final, Protocol

BYTES_PER_SECOND: Final = 2 * 16_000  # 16 kHz mono s16le


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after `seconds`; let others run even where that is none."""
        ...


class WallClock:
    """Real time."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)


async def as_taken(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Each chunk as soon as the one before it was taken; others run in between."""
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def in_real_time(chunks: AsyncIterable[bytes], clock: Clock) -> AsyncIterator[bytes]:
    """Each chunk when a microphone would have delivered it; a late one does not delay the rest."""
    start = clock.now()
    sent = 0
    async for chunk in chunks:
        sent += len(chunk)
        await clock.sleep(max(0.0, start + sent / BYTES_PER_SECOND - clock.now()))
        yield chunk
