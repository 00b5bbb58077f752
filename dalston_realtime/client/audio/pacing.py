"""Delays the chunks of a recording until a microphone would have delivered them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Final

from dalston_realtime.client.clock import AsyncClock
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

BYTES_PER_SECOND: Final = BYTES_PER_SAMPLE * SAMPLE_RATE  # Of one channel, 16 kHz s16le.


async def as_taken(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Each chunk as soon as the one before it was taken; other tasks run in between."""
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


async def in_real_time(
    chunks: AsyncIterable[bytes], clock: AsyncClock, channels: int = 1
) -> AsyncIterator[bytes]:
    """Each chunk when its last sample would have been recorded; a late one does not delay the rest."""
    start = clock.now()
    sent = 0
    async for chunk in chunks:
        sent += len(chunk)
        await clock.sleep(max(0.0, start + sent / channels / BYTES_PER_SECOND - clock.now()))
        yield chunk
