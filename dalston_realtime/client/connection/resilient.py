"""The connections of a session, one after the other: what it sends in, its events out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from dalston_realtime.client.connection.event_inbox import EventInbox
from dalston_realtime.client.connection.opening import retry
from dalston_realtime.client.connection.send_buffer import SendBuffer
from dalston_realtime.client.errors import (
    ClientError,
    ProtocolError,
    SessionClosedError,
    one_line,
    session_closed,
)
from dalston_realtime.client.events import (
    Event,
    ServerError,
    SessionBegin,
    SessionEnd,
    SessionResumed,
    parse_event,
)
from dalston_realtime.protocol.close_codes import CloseCode

TRIES: Final = 5  # connections in a row that bring nothing new
RESUMABLE: Final = ("internal", "restarting")  # errors that are no news if the session goes on
LOST: Final = 1006  # what stands for a close code where there was none


class ResilientConnection:
    """Reads and writes at once, and connects again when the connection is lost."""

    def __init__(
        self,
        connect: Callable[[str | None], Awaitable[ClientConnection]],
        connection: ClientConnection,
        sent: SendBuffer,
        resume_for: float,
    ) -> None:
        """`connect` opens another connection, given what `resume` takes; it is tried for so many seconds."""
        self.session_id: str | None = None
        self.last_seq: int | None = None
        self.sent, self.inbox = sent, EventInbox()
        self.connected = True
        self.moved = asyncio.Event()
        self.over = asyncio.Event()
        self.failure: ClientError | None = None
        self._connect, self._connection = connect, connection
        self._resume_for = resume_for
        self._last_error: ServerError | None = None
        self._held: ServerError | None = None  # an error that is no news if the session goes on
        self._complete = False
        self._tries_left = TRIES

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._connection.latency or None

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on from here."""
        return None if self.session_id is None else f"{self.session_id}:{self.last_seq or 0}"

    def notice(self) -> None:
        """Wake who waits for something to move."""
        self.moved.set()
        self.moved = asyncio.Event()

    async def close(self) -> None:
        """Close, for good."""
        self._resume_for = 0.0
        await self._connection.close()

    async def run(self) -> None:
        """One connection after the other, until the session ends or can't go on."""
        try:
            self.failure = await self._serve(resumed=False)
            while self._can_resume() and await self._reconnect():
                self.failure = await self._serve(resumed=self.session_id is not None)
        finally:
            if self._held is not None:
                self.inbox.put(self._held)
            self.inbox.close(self.failure)
            self.over.set()
            self.notice()

    def _can_resume(self) -> bool:
        failure = self.failure
        may = self._resume_for > 0 and self._tries_left > 0
        self._tries_left -= 1
        if self.session_id is None:  # nothing has been heard of it: it begins anew
            may = may and self.sent.go_back(0.0, 0)
        return may and isinstance(failure, SessionClosedError) and failure.resumable

    async def _reconnect(self) -> bool:
        """Whether there is a connection again."""
        connection = await retry(lambda: self._connect(self.resume_point), self._resume_for)
        self._connection = connection or self._connection
        return connection is not None

    async def _serve(self, *, resumed: bool) -> ClientError | None:
        """Read one connection to its end, and send beside it; why it ended, None after `session.end`."""
        self.connected = not resumed
        tasks = [asyncio.create_task(self._first_ping())]
        if not resumed:
            tasks.append(asyncio.create_task(self._send_all()))
        try:
            async for frame in self._connection:
                event = parse_event(frame)
                if resumed and not self._goes_on(event):
                    self._tries_left = 0
                    return self.failure
                if isinstance(event, SessionResumed):
                    tasks.append(asyncio.create_task(self._send_all()))
                self._note(event)
        except ConnectionClosed:
            pass
        except ProtocolError as error:
            await self._connection.close(CloseCode.INVALID_REQUEST, "malformed event")
            return error
        finally:
            self.connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._reason()

    def _goes_on(self, event: Event) -> bool:
        """Send again what did not arrive; false if that is not possible, or the server knows no resuming."""
        if not isinstance(event, SessionResumed):
            return not isinstance(event, SessionBegin)
        self._held = self._last_error = None
        self.connected = self.sent.go_back(event.audio_received or 0.0, event.messages_received or 0)
        return self.connected

    async def _send_all(self) -> None:
        """Send what waits, in order."""
        while True:
            while (frame := self.sent.head()) is not None:
                try:
                    await self._connection.send(frame)
                except ConnectionClosed:
                    return
                self.sent.done()
                self.notice()
            await self.moved.wait()

    def _note(self, event: Event) -> None:
        self.last_seq = event.seq if event.seq is not None else self.last_seq
        self._complete = self._complete or isinstance(event, SessionEnd)
        if isinstance(event, SessionBegin | SessionResumed):
            self.session_id = event.session_id
        elif isinstance(event, ServerError):
            self._last_error = event
            if not event.recoverable and event.code in RESUMABLE and self._resume_for > 0:
                self._held = event
                return
        elif not isinstance(event, SessionResumed):
            self._tries_left = TRIES
        self.inbox.put(event)

    def _reason(self) -> ClientError | None:
        """Why the connection is closed: None after `session.end`, otherwise an error."""
        if self._complete:
            return None
        code = self._connection.close_code or LOST
        error = self._last_error
        if error is None or error.recoverable:
            return session_closed(code, one_line(self._connection.close_reason or ""))
        return session_closed(code, one_line(error.message), error.retry_after)

    async def _first_ping(self) -> None:
        """Know the round trip from the start, not only after the first interval."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed:
            return
