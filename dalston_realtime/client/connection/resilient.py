"""Sends and receives over one connection after the other, so that a session outlives a lost one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from dalston_realtime.client.clock import WallClock
from dalston_realtime.client.connection.event_inbox import EventInbox
from dalston_realtime.client.connection.opening import reopen
from dalston_realtime.client.connection.received_event import Event, ReceivedEvent, decode_received
from dalston_realtime.client.connection.send_buffer import SendBuffer
from dalston_realtime.client.errors import (
    NO_CLOSE_CODE,
    ClientError,
    ConnectionLostError,
    ProtocolError,
    RefusedError,
    SessionClosedError,
    one_line,
    session_closed,
)
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import Partial, ServerError, SessionBegin, SessionEnd, SessionResumed

MAX_TRIES: Final = 5  # Connections in a row that bring no event of the session; then it is given up.
MAX_UNSENT_S: Final = 30.0  # Seconds of audio that `send` takes without waiting while there is no connection.
UNKNOWN: Final = 404  # The HTTP status of a session that is not kept: one that was given no audio is not.
HEALED: Final = ("internal", "restarting")  # Errors that the reader need not see if the session goes on.


class ResilientConnection:
    """Reads and writes at once, and connects again when the connection is lost."""

    def __init__(
        self,
        connect: Callable[[str | None], Awaitable[ClientConnection]],
        connection: ClientConnection,
        send_buffer: SendBuffer,
        resume_for: float,
    ) -> None:
        """`connect` opens another connection, given what `resume` takes; it is tried for so many seconds."""
        self.session_id: str | None = None
        self.last_seq: int | None = None
        self._resume_token: str | None = None
        self.inbox = EventInbox()
        self._send_buffer = send_buffer
        self._connect, self._connection = connect, connection
        self._resume_for = resume_for
        self._connected = True
        self._changed = asyncio.Event()  # Is set, and replaced, when a frame was sent or the session is over.
        self._over = False
        self._failure: ClientError | None = None
        self._last_error: ServerError | None = None
        self._held_error: ReceivedEvent | None = None  # Is shown only if the session does not go on.
        self._complete = False
        self._tries_left = MAX_TRIES
        self._has_results = False  # Else nothing is lost where the session begins anew.

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._connection.latency or None

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on from here."""
        return None if self._resume_token is None else f"{self._resume_token}:{self.last_seq or 0}"

    async def send(self, frame: str | bytes) -> None:
        """Send a frame; waits until it was sent, or while too much waits for a connection.

        Raises:
            SessionClosedError, ProtocolError: what ended the session.
        """
        self._check_open()
        self._send_buffer.append(frame)
        self._notify()
        while self._send_buffer.waiting_bytes > self._may_wait():
            await self._changed.wait()
            self._check_open()

    async def close(self) -> None:
        """Close, and connect no more."""
        self._resume_for = 0.0
        await self._connection.close()

    async def run(self) -> None:
        """Serve one connection after the other, until the session ends or can't go on."""
        try:
            self._failure = await self._serve(resumed=False)
            while self._can_resume() and await self._reconnect():
                self._failure = await self._serve(resumed=self.session_id is not None)
        finally:
            if self._held_error is not None:
                self.inbox.append(self._held_error)
            self.inbox.close(self._failure)
            self._over = True
            self._notify()

    def _may_wait(self) -> int:
        """The bytes of audio that may wait while `send` returns."""
        return 0 if self._connected else self._send_buffer.bytes_in(MAX_UNSENT_S)

    def _check_open(self) -> None:
        if self._over:
            raise self._failure or ConnectionLostError(
                CloseCode.NORMAL, "ended", "nothing can be sent after the end"
            )

    def _notify(self) -> None:
        """Wake everyone who waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _can_resume(self) -> bool:
        failure = self._failure
        may = self._resume_for > 0 and self._tries_left > 0
        self._tries_left -= 1
        if self.session_id is None:  # the server said nothing yet: the session begins anew
            may = may and self._send_buffer.rewind(0.0, 0)
        elif self._resume_token is None:
            may = False
        return may and isinstance(failure, SessionClosedError) and failure.resumable

    async def _reconnect(self) -> bool:
        """Whether there is a connection again."""
        connection = await reopen(self._connect_again, self._resume_for, WallClock())
        self._connection = connection or self._connection
        return connection is not None

    async def _connect_again(self) -> ClientConnection:
        """Come back to the session, or begin it anew where the server did not keep it and nothing was said.

        Raises:
            RefusedError: the server does not let us in, or a part of the session would be missing.
        """
        try:
            return await self._connect(self.resume_point)
        except RefusedError as error:
            may = error.status == UNKNOWN and self.session_id is not None and not self._has_results
            if not (may and self._send_buffer.rewind(0.0, 0)):
                raise
        self.session_id = self.last_seq = self._resume_token = None
        return await self._connect(None)

    async def _serve(self, *, resumed: bool) -> ClientError | None:
        """Read one connection to its end, and send beside it; why it ended, None after `session.end`."""
        self._connected = not resumed
        tasks = [asyncio.create_task(self._measure_round_trip())]
        if not resumed:
            tasks.append(asyncio.create_task(self._send_waiting()))
        try:
            async for frame in self._connection:
                received = decode_received(frame)
                if resumed and not self._goes_on(received.event):
                    self._tries_left = 0
                    return self._failure
                if isinstance(received.event, SessionResumed):
                    tasks.append(asyncio.create_task(self._send_waiting()))
                self._handle(received)
        except ConnectionClosed:
            pass
        except ProtocolError as error:
            await self._connection.close(CloseCode.INVALID_REQUEST, "malformed event")
            return error
        finally:
            self._connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._why_closed()

    def _goes_on(self, event: Event) -> bool:
        """Whether the session is the same; what did not arrive then waits again.

        False if it is kept no more, or the server does not know how to resume.
        """
        if not isinstance(event, SessionResumed):
            return not isinstance(event, SessionBegin)
        self._held_error = self._last_error = None
        if event.bytes_received is None:
            self._connected = self._send_buffer.rewind(event.audio_received, event.messages_received)
        else:
            self._connected = self._send_buffer.rewind_to(event.bytes_received, event.messages_received)
        return self._connected

    async def _send_waiting(self) -> None:
        """Send what waits, in order, for as long as the connection is there."""
        while True:
            while (frame := self._send_buffer.peek()) is not None:
                try:
                    await self._connection.send(frame)
                except ConnectionClosed:
                    return
                self._send_buffer.mark_sent()
                self._notify()
            await self._changed.wait()

    def _handle(self, received: ReceivedEvent) -> None:
        """Note what an event says of the session, and hand it on."""
        event = received.event
        self.last_seq = event.seq if event.seq is not None else self.last_seq
        self._complete = self._complete or isinstance(event, SessionEnd)
        if isinstance(event, SessionBegin | SessionResumed):
            self.session_id = event.session_id
        if isinstance(event, SessionBegin):
            self._resume_token = event.resume_token or self._resume_token
        elif isinstance(event, ServerError):
            self._last_error = event
            if not event.recoverable and event.code in HEALED and self._resume_for > 0:
                self._held_error = received
                return
        if not isinstance(event, ServerError | SessionResumed | SessionBegin):
            self._tries_left = MAX_TRIES
        self._has_results = self._has_results or isinstance(event, Partial | FinalEvent)
        self.inbox.append(received)

    def _why_closed(self) -> ClientError | None:
        """Why the connection is closed: None after `session.end`, otherwise an error."""
        if self._complete:
            return None
        code = self._connection.close_code or NO_CLOSE_CODE
        error = self._last_error
        if error is None or error.recoverable:
            return session_closed(code, one_line(self._connection.close_reason or ""))
        return session_closed(code, one_line(error.message), error.retry_after)

    async def _measure_round_trip(self) -> None:
        """Ping once, so that the round trip is known before the first interval is over."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed:
            return
