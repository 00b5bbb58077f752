"""Gives a transport its way into a session: it hands in audio and commands, and takes the events."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from dalston_realtime.protocol.commands import Command
from dalston_realtime.protocol.events import Event, Final, Partial, SessionBegin, decode_event, encode_event
from gateway.sessions.attachment import Attachment
from gateway.sessions.event_queue import PendingEvent
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.session import Session
from runtime.errors import SessionError


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event for the client, and its JSON."""

    event: Event
    data: bytes


class SessionPort:
    """What one transport does with its session, until `ended` or `detached` says that this is over.

    A transport sends all events, and calls `close` in the end, whatever happened.
    """

    def __init__(
        self,
        session: Session,
        attachment: Attachment,
        missed: Sequence[bytes],
        on_close: Callable[[Attachment, bool], None],
        token: str,
    ) -> None:
        """`token` is the session's resume token, which only its client gets."""
        self.session_id = session.id
        self.detached = attachment.detached  # How the connection ends where the session goes on without it.
        self._session, self._attachment = session, attachment
        self._missed, self._on_close, self._token = missed, on_close, token

    @property
    def received(self) -> float:
        """Seconds of audio that were taken."""
        return self._session.state.replay.seconds

    @property
    def processed(self) -> float | None:
        """Seconds of audio without any further event, None while events wait to be given out."""
        state = self._session.state
        return None if len(state.events) else state.continuity.state.processed

    async def append_audio(self, data: bytes) -> None:
        """Take the client's audio; waits while too much is on its way to the worker."""
        await self._session.input.receive_audio(data)

    async def handle(self, command: Command | str) -> None:
        """Take a command of the client, or a text frame that may be none: the worker answers that."""
        await self._session.input.receive_control(command)

    def fail(self, error: SessionError) -> None:
        """End the session by a fault of the client."""
        self._session.request_end(SessionOutcome.error(error.code, error.message))

    def events(self) -> AsyncIterator[OutgoingEvent]:
        """What the client missed and what comes, to the session's end.

        Each event counts as sent when it is given out: there must be one reader, which sends it at once.
        """
        return _Delivery(self._session, self._missed, self._token)

    async def ended(self) -> SessionOutcome:
        """How the session ended, once it has."""
        return await self._session.ended()

    def let_go(self) -> int:
        """Take nothing more; returns the number of the last event that was given out."""
        self._attachment.let_go()
        return self._session.state.events.seq

    def close(self, *, done: bool) -> None:
        """The connection is over; `done` says that the client does not come back."""
        self._attachment.let_go()
        self._on_close(self._attachment, done)


class _Delivery(AsyncIterator[OutgoingEvent]):
    def __init__(self, session: Session, missed: Sequence[bytes], token: str) -> None:
        self._session, self._metrics, self._token = session, session.metrics, token
        self._missed = iter(missed)

    async def __anext__(self) -> OutgoingEvent:
        data = next(self._missed, None)
        if data is not None:
            return self._outgoing(decode_event(data), data)
        queue = self._session.state.events
        pending = await queue.pop()
        if pending is None:
            raise StopAsyncIteration
        self._metrics.outbox.observe(len(queue))
        event = self._stamped(pending) if pending.arrived else pending.event
        data = queue.record_sent(event, self._session.clock())
        if not pending.is_partial:
            await self._session.commit()
        return self._outgoing(event, data)

    def _outgoing(self, event: Event, data: bytes) -> OutgoingEvent:
        """The event as its client gets it: what is kept of `session.begin` is without the token."""
        if isinstance(event, SessionBegin):
            event = replace(event, seq=decode_event(data).seq, resume_token=self._token)
            data = encode_event(event)
        return OutgoingEvent(event, data)

    def _stamped(self, pending: PendingEvent) -> Event:
        """The event with the time that it took here, where its client or a trace asked for that."""
        took = self._session.clock() - pending.arrived
        self._metrics.forwarding.observe(took)
        event = pending.event
        if not isinstance(event, Partial | Final) or event.timing is None:
            return event
        timing = event.timing | {"gateway": round(took * 1000, 3)}
        if self._session.latency:
            timing["routing"] = round(self._session.latency / 2 * 1000, 3)
        timed = replace(event, timing=timing)
        if self._session.trace is not None and isinstance(timed, Final):
            self._session.trace.add_final(timed)
        return timed if self._session.state.requested.timing else replace(event, timing=None)
