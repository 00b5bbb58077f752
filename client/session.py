"""One live session: audio in, typed events out.

    async with transcribe_stream("ws://127.0.0.1:8000", model="fast") as session:
        await session.send(pcm)          # 16 kHz mono s16le, 100 to 250 ms at a time
        await session.end()
        async for event in session:
            ...

The errors are in `client.errors`. Times are seconds on the session's audio clock.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypedDict, Unpack

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    ProxyError,
)

from client.errors import (
    ClientError,
    ConnectionLostError,
    ProtocolError,
    UnreachableError,
    one_line,
    refused,
    session_closed,
)
from client.events import Event, ServerError, SessionBegin, SessionEnd, SessionResumed, parse_event
from client.inbox import Inbox
from client.url import DEFAULT_URL, is_loopback, stream_url
from stages.errors import CloseCode

MAX_FRAME: Final = 1 << 20  # bytes of audio that the protocol allows in a frame
MAX_EVENT: Final = 8 << 20  # bytes of one event; the transcript of a day is smaller
SEND_BUFFER: Final = 128 << 10  # bytes, 4 s of audio: a ping or a flush does not wait behind more
OPEN_TIMEOUT: Final = 10.0  # s
CLOSE_TIMEOUT: Final = 2.0  # s
PING_INTERVAL: Final = 5.0  # s between measurements of the round trip
PING_TIMEOUT: Final = 60.0  # s; a pong waits behind the audio that a busy server has not read yet


class StreamOptions(TypedDict, total=False):
    """Query parameters of the protocol; what is left out or None is up to the server."""

    language: str | None
    encoding: str | None
    channels: int | None
    interim_results: bool | None
    enable_vad: bool | None
    word_timestamps: bool | None
    min_silence_ms: int | None
    vocabulary: list[str] | None
    timing: bool | None


@asynccontextmanager
async def transcribe_stream(
    url: str = DEFAULT_URL,
    *,
    model: str = "fast",
    sample_rate: int = 16_000,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[StreamOptions],
) -> "AsyncIterator[Session]":
    """A session on the server at `url` (ws, wss, http or https), closed at the end of the block.

    `model` is a variant or a concrete model, `sample_rate` is in Hz, `headers` go with the
    upgrade (such as `Authorization`).

    Raises:
        UsageError: `url` is not a URL of a server.
        UnreachableError: nothing answers there.
        RefusedError: an HTTP status instead of the upgrade; bad values: `InvalidParameterError`.
    """
    target = stream_url(url, {"model": model, "sample_rate": sample_rate, **options})
    connection = await _connect(target, url, headers)
    session = Session(connection)
    tasks = [asyncio.create_task(session._read()), asyncio.create_task(session._first_ping())]
    try:
        yield session
    finally:
        await connection.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Session:
    """An open session; made by `transcribe_stream`.

    Every method that sends raises the `SessionClosedError` (or `ProtocolError`) that ended the
    session, once it is over. Events are kept while nobody iterates; of a backlog past 1,000 only
    partials are left out.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.session_id: str | None = None
        self.last_seq: int | None = None
        self._connection = connection
        self._inbox = Inbox()
        self._over = asyncio.Event()
        self._failure: ClientError | None = None
        self._last_error: ServerError | None = None
        self._complete = False
        self._end_sent = False

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._connection.latency or None

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on where this session broke off.

        Only after an error that is `resumable`, and only on servers that offer it.
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
        min_silence_ms: int | None = None,
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
        try:
            await self._connection.send(frame)
        except ConnectionClosed:
            await self._over.wait()
            raise self._failure or ConnectionLostError(
                CloseCode.NORMAL, "ended", "nothing can be sent after the end"
            ) from None

    async def _read(self) -> None:
        try:
            async for frame in self._connection:
                event = parse_event(frame)
                self._note(event)
                self._inbox.put(event)
            self._failure = self._reason()
        except ConnectionClosed:
            self._failure = self._reason()
        except ProtocolError as error:
            self._failure = error
            await self._connection.close(CloseCode.INVALID_REQUEST, "malformed event")
        finally:
            self._inbox.close(self._failure)
            self._over.set()

    def _note(self, event: Event) -> None:
        self.last_seq = event.seq if event.seq is not None else self.last_seq
        if isinstance(event, SessionBegin | SessionResumed):
            self.session_id = event.session_id
        elif isinstance(event, ServerError):
            self._last_error = event
        elif isinstance(event, SessionEnd):
            self._complete = True

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


async def _connect(target: str, base: str, headers: Mapping[str, str] | None) -> ClientConnection:
    try:
        connection = await connect(
            target,
            additional_headers=headers,
            proxy=None if is_loopback(base) else True,
            compression=None,
            max_size=MAX_EVENT,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
        )
    except InvalidStatus as error:
        body = error.response.body or b""
        raise refused(error.response.status_code, _decoded(body)) from None
    except (InvalidMessage, ProxyError, OSError, TimeoutError) as error:
        raise UnreachableError(base, _why(error)) from error
    except InvalidHandshake as error:
        raise UnreachableError(base, f"not a WebSocket server: {one_line(error)}") from error
    _limit_send_buffer(connection)
    return connection


def _limit_send_buffer(connection: ClientConnection) -> None:
    sock = connection.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _decoded(body: bytes | bytearray) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return bytes(body).decode(errors="replace")


def _why(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT:g} s"
    return one_line(getattr(error, "strerror", None) or error, 120)
