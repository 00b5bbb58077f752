"""Events of one session in as the worker sends them, out as fast as its client reads.

The worker's side is always read, so a slow client holds nobody else up. What waits is bounded: an
unsent partial gives way to the next one, and a client that lets even the finals pile up is cut off.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from stages.errors import CloseCode, SessionError

Event = dict[str, Any]

MAX_EVENTS: Final = 2_000  # about an hour of finals at one every two seconds
MAX_BYTES: Final = 8 << 20  # a few times what 2,000 finals of ordinary speech take


@dataclass(frozen=True, slots=True)
class Queued:
    """An event, its size in bytes, and when it came from the worker (seconds, any clock)."""

    event: Event
    size: int
    arrived: float


class Outbox:
    """The queue of one connection; it numbers events when they leave, so `seq` has no gap."""

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.dropped_partials = 0
        self._max_events, self._max_bytes = max_events, max_bytes
        self._waiting: OrderedDict[int, Queued] = OrderedDict()
        self._numbers = count()
        self._partial: int | None = None
        self._bytes = 0
        self._seq = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event, size: int, arrived: float = 0.0) -> None:
        """Queue an event; a partial takes the place of the one that still waits.

        Raises:
            SessionError: too much waits already.
        """
        is_partial = event["type"] == "transcript.partial"
        if is_partial and self._partial is not None:
            self._remove(self._partial)
            self.dropped_partials += 1
        if len(self) >= self._max_events or self._bytes + size > self._max_bytes:
            raise SessionError(CloseCode.INVALID_REQUEST, "the client does not read its results")
        number = self._add(Queued(event, size, arrived))
        if is_partial:
            self._partial = number

    def end(self, last: Event | None = None) -> None:
        """Nothing comes any more, except `last`, for which there is always room."""
        if last is not None:
            self._add(Queued(last, 0, 0.0))
        self._ended = True
        self._changed.set()

    def take_nowait(self) -> Queued | None:
        """The next event with its `seq`, or None if none waits."""
        if not self._waiting:
            return None
        queued = self._remove(next(iter(self._waiting)))
        self._seq += 1
        queued.event["seq"] = self._seq
        return queued

    async def take(self) -> Queued | None:
        """The next event with its `seq`, as soon as there is one; None after the last."""
        while (queued := self.take_nowait()) is None:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return queued

    def _add(self, queued: Queued) -> int:
        number = next(self._numbers)
        self._waiting[number] = queued
        self._bytes += queued.size
        self._changed.set()
        return number

    def _remove(self, number: int) -> Queued:
        queued = self._waiting.pop(number)
        self._bytes -= queued.size
        if number == self._partial:
            self._partial = None
        return queued
