"""Events between the socket and whoever iterates: a bounded queue that loses no final."""

import asyncio
from collections import deque
from typing import Final

from dalston_realtime.client.events import Event, Partial

MAX_WAITING: Final = 1_000  # events; minutes of one session's partials, past it they are dropped


class EventInbox:
    """Events in, events out in the same order, and at the end the reason why there are no more.

    The socket is read even while nobody iterates, so that pings are answered and an error is
    known at once. What waits is bounded by leaving out partials, which their final replaces.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._closed = False
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    def put(self, event: Event) -> None:
        """Queue one event, except a partial while too many wait."""
        if len(self._events) < MAX_WAITING or not isinstance(event, Partial):
            self._events.append(event)
            self._changed.set()

    def close(self, failure: Exception | None) -> None:
        """No more events; `failure` is raised behind the last one."""
        self._closed = True
        self._failure = failure
        self._changed.set()

    async def get(self) -> Event | None:
        """The next event, or None at the normal end.

        Raises:
            Exception: the failure that `close` was given, when every event was taken.
        """
        while not self._events and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        if self._events:
            return self._events.popleft()
        if self._failure is not None:
            raise self._failure
        return None
