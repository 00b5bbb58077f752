"""Queues the events between the socket and the reader: bounded, and without losing a final."""

import asyncio
from collections import deque
from typing import Final

from dalston_realtime.client.connection.received_event import ReceivedEvent
from dalston_realtime.protocol.events import Partial

MAX_WAITING: Final = 1_000  # Events: minutes of one session's partials; past it partials are left out.


class EventInbox:
    """Gives events in the order in which they came, and then the reason why there are no more.

    The socket is read even while nobody iterates, so that pings are answered and an error is
    known at once. What waits is bounded by leaving out partials, which their final replaces.
    """

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._waiting: deque[ReceivedEvent] = deque()
        self._closed = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    def append(self, received: ReceivedEvent) -> None:
        """Queue one event, except a partial while too many wait."""
        if len(self._waiting) < self._limit or not isinstance(received.event, Partial):
            self._waiting.append(received)
            self._changed.set()

    def close(self, failure: Exception | None) -> None:
        """Queue no more events; `failure` is raised behind the last one."""
        self._closed = True
        self._failure = failure
        self._changed.set()

    async def next(self) -> ReceivedEvent | None:
        """The next event, or None at the normal end.

        Raises:
            Exception: the failure that `close` was given, when every event was taken.
        """
        while not self._waiting and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        if self._waiting:
            return self._waiting.popleft()
        if self._failure is not None:
            raise self._failure
        return None
