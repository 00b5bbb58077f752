"""Events of one session in, out as fast as its client reads, and again to a client that comes back.

The worker's side is always read, so a slow client holds nobody else up. What waits is bounded: an
unsent partial gives way to the next one, and a client that lets even the finals pile up is cut off.
What has left is kept for a while, for a client that comes back.
"""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import orjson

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.sessions.change_set import ChangeSet
from runtime.errors import SessionError

Event = dict[str, Any]

MAX_EVENTS: Final = 2_000  # about an hour of finals at one every two seconds
MAX_BYTES: Final = 8 << 20  # a few times what 2,000 finals of ordinary speech take
KEEP_S: Final = 60.0  # of what has left
KEEP_EVENTS: Final = 2_000  # some 30 a second
KEEP_BYTES: Final = 2 << 20


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event, its size in bytes, and when it came from the worker (seconds, any clock)."""

    event: Event
    size: int
    arrived: float

    @property
    def is_partial(self) -> bool:
        """Whether the next one replaces it."""
        return bool(self.event["type"] == "transcript.partial")


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that has left, and when (seconds, any clock)."""

    seq: int
    data: bytes
    at: float


class EventQueue:
    """The queue of one session; it numbers events when they leave, so `seq` has no gap."""

    def __init__(self, ledger: ChangeSet, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.dropped_partials = 0
        self.seq = 0  # of the last event that has left
        self._ledger = ledger
        self._max_events, self._max_bytes = max_events, max_bytes
        self._waiting: OrderedDict[int, PendingEvent] = OrderedDict()
        self._numbers = count()
        self._partial: int | None = None
        self._bytes = 0
        self._sent: deque[SentEvent] = deque()
        self._sent_bytes = 0
        self._ended = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Event, size: int, arrived: float = 0.0) -> None:
        """Queue an event; a partial takes the place of the one that still waits.

        Raises:
            SessionError: too much waits already.
        """
        queued = PendingEvent(event, size, arrived)
        if queued.is_partial and self._partial is not None:
            self._remove(self._partial)
            self.dropped_partials += 1
        if len(self) >= self._max_events or self._bytes + size > self._max_bytes:
            raise SessionError(CloseCode.INVALID_REQUEST, "the client does not read its results")
        number = self._add(queued)
        if queued.is_partial:
            self._partial = number

    def end(self, last: Event | None = None) -> None:
        """Nothing comes any more, except `last`, for which there is always room."""
        if last is not None:
            self._add(PendingEvent(last, 0, 0.0))
        self._ended = True
        self._changed.set()

    def take_nowait(self) -> PendingEvent | None:
        """The next event with its `seq`, or None if none waits; `sent` is to be told at once."""
        if not self._waiting:
            return None
        queued = self._remove(next(iter(self._waiting)))
        self.seq += 1
        queued.event["seq"] = self.seq
        return queued

    async def take(self) -> PendingEvent | None:
        """The next event with its `seq`, as soon as there is one; None after the last."""
        while (queued := self.take_nowait()) is None:
            if self._ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return queued

    def sent(self, queued: PendingEvent, now: float) -> bytes:
        """The JSON of an event that leaves now; it is kept, and what is too old is not any more."""
        data = orjson.dumps(queued.event)
        self._keep(SentEvent(queued.event["seq"], data, now))
        while self._sent and (
            self._sent[0].at < now - KEEP_S or len(self._sent) > KEEP_EVENTS or self._sent_bytes > KEEP_BYTES
        ):
            old = self._sent.popleft()
            self._sent_bytes -= len(old.data)
            self._ledger.delete(f"e{old.seq}")
        return data

    def flush(self, now: float) -> None:
        """Let all that waits leave, for a client that fetches it later."""
        while (queued := self.take_nowait()) is not None:
            self.sent(queued, now)

    def has_since(self, seq: int) -> bool:
        """Whether all events after `seq` can be sent again."""
        first = self._sent[0].seq if self._sent else self.seq + 1
        return first <= seq + 1

    def since(self, seq: int) -> list[bytes]:
        """The events after `seq` that have left."""
        return [sent.data for sent in self._sent if sent.seq > seq]

    def skip_to(self, seq: int) -> None:
        """Number on behind what the client has seen: its last connection's own farewell, at least."""
        self.seq = max(self.seq, seq)

    def leave(self, event: Event, now: float) -> bytes:
        """The JSON of an event that leaves now, ahead of what waits."""
        self.seq += 1
        return self.sent(PendingEvent(event | {"seq": self.seq}, 0, 0.0), now)

    def restore(self, now: float) -> None:
        """Take up what an outbox in another process left in the ledger."""
        fields = self._ledger.fields
        for seq in sorted(int(name[1:]) for name in fields if name[0] == "e"):
            self._keep(SentEvent(seq, fields[f"e{seq}"], now))
            self.seq = seq
        waiting = sorted(int(name[1:]) for name in fields if name[0] == "w")
        events = [fields[f"w{number}"] for number in waiting]
        for number, data in zip(waiting, events, strict=True):
            self._ledger.delete(f"w{number}")
            self._add(PendingEvent(orjson.loads(data), len(data), 0.0))

    def _keep(self, sent: SentEvent) -> None:
        self._sent.append(sent)
        self._sent_bytes += len(sent.data)
        self._ledger.set(f"e{sent.seq}", sent.data)

    def _add(self, queued: PendingEvent) -> int:
        number = next(self._numbers)
        self._waiting[number] = queued
        self._bytes += queued.size
        if not queued.is_partial:
            self._ledger.set(f"w{number}", orjson.dumps(queued.event))
        self._changed.set()
        return number

    def _remove(self, number: int) -> PendingEvent:
        queued = self._waiting.pop(number)
        self._bytes -= queued.size
        self._ledger.delete(f"w{number}")
        if number == self._partial:
            self._partial = None
        return queued
