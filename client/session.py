"""One live session: audio in, typed events out.

    async with transcribe_stream("ws://127.0.0.1:8000", model="fast") as session:
        await session.send(pcm)          # 16 kHz mono s16le, 100 to 250 ms at a time
        await session.end()
        async for event in session:
            ...

A connection that is lost is opened again, and the session goes on where it was: the events show a
`SessionResumed` and nothing is missing or said twice. The errors are in `client.errors`. Times are seconds
on the session's audio clock.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Self, TypeAlias, TypedDict, Unpack

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from client.connection import open_connection, retry
from client.errors import (
    ClientError,
    ConnectionLostError,
    ProtocolError,
    SessionClosedError,
    one_line,
    session_closed,
)
from client.events import Event, ServerError, SessionBegin, SessionEnd, SessionResumed, parse_event
from client.inbox import Inbox
from client.sent import Sent
from client.url import DEFAULT_URL, stream_url
from stages.errors import CloseCode

MAX_FRAME: Final = 1 << 20  # bytes of audio that the protocol allows in a frame
RESUME_FOR: Final = 30.0  # s for which a lost connection is tried again
TRIES: Final = 5  # connections in a row that bring nothing new
MAX_AWAY: Final = 30.0  # s of audio that are taken while there is no connection
SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
RESUMABLE: Final = ("internal", "restarting")  # errors that are no news if the session goes on

MinSilence: TypeAlias = int | Literal["auto"]
"""Milliseconds of silence that end an utterance, or as many as the text and the speaker ask for."""


class StreamOptions(TypedDict, total=False):
    """Query parameters of the protocol; what is left out or None is up to the server."""

    language: str | None
    encoding: str | None
    channels: int | None
    interim_results: bool | None
    enable_vad: bool | None
    word_timestamps: bool | None
    min_silence_ms: MinSilence | None
    vocabulary: list[str] | None
    timing: bool | None


@asynccontextmanager
async def transcribe_stream(
    url: str = DEFAULT_URL,
    *,
    model: str = "fast",
    sample_rate: int = 16_000,
    headers: Mapping[str, str] | None = None,
    resume_for: float = RESUME_FOR,
    **options: Unpack[StreamOptions],
) -> "AsyncIterator[Session]":
    """A session on the server at `url` (ws, wss, http or https), closed at the end of the block.

    `model` is a variant or a concrete model, `sample_rate` is in Hz, `headers` go with the
    upgrade (such as `Authorization`). A lost connection is tried again for `resume_for` seconds.

    Raises:
        UsageError: `url` is not a URL of a server.
        UnreachableError: nothing answers there.
        RefusedError: an HTTP status instead of the upgrade; bad values: `InvalidParameterError`.
    """
    asked = {"model": model, "sample_rate": sample_rate, **options}

    async def connect(resume: str | None) -> ClientConnection:
        return await open_connection(stream_url(url, asked | {"resume": resume}), url, headers)

    sample = SAMPLE_BYTES.get(options.get("encoding") or "", 2) * (options.get("channels") or 1)
    session = Session(connect, await connect(None), Sent(sample * sample_rate, sample), resume_for)
    running = asyncio.create_task(session._run())
    try:
        yield session
    finally:
        session._resume_for = 0.0
        await session._connection.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Session:
    """An open session; made by `transcribe_stream`.

    Every method that sends raises the `SessionClosedError` (or `ProtocolError`) that ended the
    session, once it is over. Events are kept while nobody iterates; of a backlog past 1,000 only
    partials are left out.
    """

    def __init__(
        self,
        connect: Callable[[str | None], Awaitable[ClientConnection]],
        connection: ClientConnection,
        sent: Sent,
        resume_for: float,
    ) -> None:
        self.session_id: str | None = None
        self.last_seq: int | None = None
        self._connect, self._connection = connect, connection
        self._sent, self._resume_for = sent, resume_for
        self._connected = True
        self._moved = asyncio.Event()
        self._inbox = Inbox()
        self._over = asyncio.Event()
        self._failure: ClientError | None = None
        self._last_error: ServerError | None = None
        self._held: ServerError | None = None  # an error that is no news if the session goes on
        self._complete = False
        self._tries_left = TRIES
        self._end_sent = False

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._connection.latency or None

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on where this session broke off.

        The session does so by itself; this is for another process that takes it over.
        """
        if self.session_id is None:
            return None
        return f"{self.session_id}:{self.last_seq or 0}"

    async def send(self, pcm: bytes | bytearray | memoryview) -> None:
        """Send audio in the declared encoding; waits while the server takes no more."""
        view = memoryview(pcm).cast("B")
        for start in range(0, len(view), MAX_FRAME):
            await self._send(bytes(view[start : start + MAX_FRAME]))

    async def flush(self, flush_id: str) -> None:
        """Finalize what was said so far; one `Final` with this `flush_id` answers."""
        await self._send_message({"type": "flush", "id": flush_id})

    async def configure(
        self,
        *,
        min_silence_ms: MinSilence | None = None,
        language: str | None = None,
        interim_results: bool | None = None,
    ) -> None:
        """Change these from here on; None leaves one as it is."""
        wanted = {
            "min_silence_ms": min_silence_ms,
            "language": language,
            "interim_results": interim_results,
        }
        changed = {name: value for name, value in wanted.items() if value is not None}
        await self._send_message({"type": "config", **changed})

    async def keepalive(self) -> None:
        """Nothing to send, still here."""
        await self._send_message({"type": "keepalive"})

    async def end(self) -> None:
        """No more audio: what was received is transcribed, then the events end. Safe to repeat."""
        if not self._end_sent:
            self._end_sent = True
            await self._send_message({"type": "end"})

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _send_message(self, message: dict[str, Any]) -> None:
        await self._send(orjson.dumps(message).decode())

    async def _send(self, frame: str | bytes) -> None:
        """Queue a frame, and wait until it was sent, or while too much waits for a connection."""
        self._check_open()
        self._sent.add(frame)
        self._notice()
        while self._sent.waiting > (0 if self._connected else self._sent.seconds(MAX_AWAY)):
            await self._moved.wait()
            self._check_open()

    def _check_open(self) -> None:
        if self._over.is_set():
            raise self._failure or ConnectionLostError(
                CloseCode.NORMAL, "ended", "nothing can be sent after the end"
            )

    def _notice(self) -> None:
        """Wake who waits for something to move."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _run(self) -> None:
        """One connection after the other, until the session ends or can't go on."""
        try:
            self._failure = await self._serve(resumed=False)
            while self._can_resume() and await self._reconnect():
                self._failure = await self._serve(resumed=self.session_id is not None)
        finally:
            if self._held is not None:
                self._inbox.put(self._held)
            self._inbox.close(self._failure)
            self._over.set()
            self._notice()

    def _can_resume(self) -> bool:
        failure = self._failure
        may = self._resume_for > 0 and self._tries_left > 0
        self._tries_left -= 1
        if self.session_id is None:  # nothing has been heard of it: it begins anew
            may = may and self._sent.go_back(0.0, 0)
        return may and isinstance(failure, SessionClosedError) and failure.resumable

    async def _reconnect(self) -> bool:
        """Whether there is a connection again."""
        connection = await retry(lambda: self._connect(self.resume_point), self._resume_for)
        self._connection = connection or self._connection
        return connection is not None

    async def _serve(self, *, resumed: bool) -> ClientError | None:
        """Read one connection to its end, and send beside it; why it ended, None after `session.end`."""
        self._connected = not resumed
        tasks = [asyncio.create_task(self._first_ping())]
        if not resumed:
            tasks.append(asyncio.create_task(self._send_all()))
        try:
            async for frame in self._connection:
                event = parse_event(frame)
                if resumed and not self._goes_on(event):
                    self._tries_left = 0
                    return self._failure
                if isinstance(event, SessionResumed):
                    tasks.append(asyncio.create_task(self._send_all()))
                self._note(event)
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
        return self._reason()

    def _goes_on(self, event: Event) -> bool:
        """Send again what did not arrive; false if that is not possible, or the server knows no resuming."""
        if not isinstance(event, SessionResumed):
            return not isinstance(event, SessionBegin)
        self._held = self._last_error = None
        self._connected = self._sent.go_back(event.audio_received or 0.0, event.messages_received or 0)
        return self._connected

    async def _send_all(self) -> None:
        """Send what waits, in order."""
        while True:
            while (frame := self._sent.head()) is not None:
                try:
                    await self._connection.send(frame)
                except ConnectionClosed:
                    return
                self._sent.done()
                self._notice()
            await self._moved.wait()

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
        self._inbox.put(event)

    def _reason(self) -> ClientError | None:
        """Why the connection is closed: None after `session.end`, otherwise an error."""
        if self._complete:
            return None
        code = self._connection.close_code or 1006
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
