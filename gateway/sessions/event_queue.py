"""Queues the events of one session for its client, and keeps those sent for a client that comes back.

The worker's side is always read, so a slow client holds nobody else up. What waits is bounded: an
unsent partial gives way to the next one, and a client that lets even the finals pile up is cut off.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

from msgspec.structs import replace

from broker.checkpoint_record import BadCheckpoint, Checkpoint
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import BadEvent, Event, Partial, decode_event, encode_event
from gateway.sessions.change_set import ChangeSet
from runtime.errors import SessionError

MAX_EVENTS: Final = 2_000  # Events that wait: about an hour of finals at one every two seconds.
MAX_BYTES: Final = 8 << 20  # Bytes that wait: a few times what 2,000 finals of ordinary speech take.
KEEP_S: Final = 60.0  # Seconds for which a sent event is kept: longer than a client is away.
KEEP_EVENTS: Final = 2_000  # Sent events that are kept: some 30 for each of the seconds.
KEEP_BYTES: Final = 2 << 20  # Bytes of sent events that are kept, of one session.


EventObserver: TypeAlias = Callable[[Event, bytes], None]
"""Gets each event that the client is told, but for partials, when it is known; with it the event's JSON."""


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event, its size in bytes, and when it came from the worker (seconds; 0: it is the gateway's own)."""

    event: Event
    size: int
    arrived: float

    @property
    def is_partial(self) -> bool:
        """Whether the next one replaces it."""
        return isinstance(self.event, Partial)


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that was sent, and when (seconds, any clock)."""

    seq: int
    data: bytes
    at: float


class EventQueue:
    """The queue of one session; it numbers events when they leave, so `seq` has no gap."""

    def __init__(self, changes: ChangeSet, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self.dropped_partials = 0
        self.on_event: EventObserver | None = None
        self.seq = 0  # Of the last event that was sent.
        self._changes = changes
        self._max_events, self._max_bytes = max_events, max_bytes
        self._waiting: OrderedDict[int, PendingEvent] = OrderedDict()
        self._numbers = count()
        self._partials: dict[int | None, int] = {}  # The one that waits, of each channel.
        self._bytes = 0
        self._sent: deque[SentEvent] = deque()
        self._sent_bytes = 0
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, event: Event, size: int = 0, arrived: float = 0.0) -> None:
        """Queue an event; a partial takes the place of the one of its channel that still waits.

        Raises:
            SessionError: too much waits already.
        """
        pending = PendingEvent(event, size, arrived)
        if isinstance(event, Partial) and event.channel in self._partials:
            self._remove(self._partials[event.channel])
            self.dropped_partials += 1
        if len(self) >= self._max_events or self._bytes + size > self._max_bytes:
            raise SessionError(CloseCode.INVALID_REQUEST, "the client does not read its results")
        number = self._add(pending)
        if isinstance(event, Partial):
            self._partials[event.channel] = number

    def close(self, last: Event | None = None) -> None:
        """Take no more events, except `last`, for which there is always room."""
        if last is not None:
            self._add(PendingEvent(last, 0, 0.0))
        self._closed = True
        self._changed.set()

    def pop_nowait(self) -> PendingEvent | None:
        """The next event with its `seq`, or None if none waits; `record_sent` must follow at once."""
        if not self._waiting:
            return None
        pending = self._remove(next(iter(self._waiting)))
        self.seq += 1
        return PendingEvent(replace(pending.event, seq=self.seq), pending.size, pending.arrived)

    async def pop(self) -> PendingEvent | None:
        """The next event with its `seq`, as soon as there is one; None after the last."""
        while (pending := self.pop_nowait()) is None:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return pending

    def record_sent(self, event: Event, now: float) -> bytes:
        """The JSON of an event that leaves now; it is kept, and what is too old is dropped."""
        assert event.seq is not None
        data = encode_event(event)
        self._keep(SentEvent(event.seq, data, now))
        while self._sent and (
            self._sent[0].at < now - KEEP_S or len(self._sent) > KEEP_EVENTS or self._sent_bytes > KEEP_BYTES
        ):
            oldest = self._sent.popleft()
            self._sent_bytes -= len(oldest.data)
            self._changes.delete(f"e{oldest.seq}")
        return data

    def record_all_sent(self, now: float) -> None:
        """Move all that waits to what was sent, for a client that fetches it later."""
        while (pending := self.pop_nowait()) is not None:
            self.record_sent(pending.event, now)

    def has_since(self, seq: int) -> bool:
        """Whether all events after `seq` can be sent again."""
        first = self._sent[0].seq if self._sent else self.seq + 1
        return first <= seq + 1

    def sent_since(self, seq: int) -> list[bytes]:
        """The JSON of the events after `seq` that were sent."""
        return [sent.data for sent in self._sent if sent.seq > seq]

    def kept(self) -> list[bytes]:
        """The JSON of all events that were sent or wait, but for partials."""
        sent = [each.data for each in self._sent if not isinstance(_decode(each.data), Partial)]
        waiting = [each for each in self._waiting.values() if not each.is_partial]
        return [*sent, *(encode_event(each.event) for each in waiting)]

    def advance_to(self, seq: int) -> None:
        """Continue after `seq`.

        A connection that was replaced got its own final error event, which used one number.
        """
        self.seq = max(self.seq, seq)

    def send_now(self, event: Event, now: float) -> bytes:
        """The JSON of an event that leaves now, ahead of what waits."""
        self.seq += 1
        numbered = replace(event, seq=self.seq)
        data = self.record_sent(numbered, now)
        if self.on_event is not None:
            self.on_event(numbered, data)
        return data

    def restore(self, checkpoint: Checkpoint, now: float) -> None:
        """Take up what the queue of another gateway left.

        Raises:
            BadCheckpoint: an event can't be read.
        """
        for seq, data in checkpoint.sent_events.items():
            _decode(data)
            self._keep(SentEvent(seq, data, now))
            self.seq = seq
        for number, data in checkpoint.waiting_events.items():
            self._changes.delete(f"w{number}")
            self._add(PendingEvent(_decode(data), len(data), 0.0))

    def _keep(self, sent: SentEvent) -> None:
        self._sent.append(sent)
        self._sent_bytes += len(sent.data)
        self._changes.set(f"e{sent.seq}", sent.data)

    def _add(self, pending: PendingEvent) -> int:
        number = next(self._numbers)
        self._waiting[number] = pending
        self._bytes += pending.size
        if not pending.is_partial:
            data = encode_event(pending.event)
            self._changes.set(f"w{number}", data)
            if self.on_event is not None:
                self.on_event(pending.event, data)
        self._changed.set()
        return number

    def _remove(self, number: int) -> PendingEvent:
        pending = self._waiting.pop(number)
        self._bytes -= pending.size
        self._changes.delete(f"w{number}")
        if isinstance(pending.event, Partial):
            self._partials.pop(pending.event.channel, None)
        return pending


def _decode(data: bytes) -> Event:
    try:
        return decode_event(data)
    except BadEvent as error:
        raise BadCheckpoint(str(error)) from None
