"""One live session: audio in, typed events out.

    async with transcribe_stream("ws://127.0.0.1:8000", model="fast") as session:
        await session.send(pcm)          # 16 kHz mono s16le, 100 to 250 ms at a time
        await session.end()
        async for event in session:
            ...

A connection that is lost is opened again, and the session goes on where it was: the events show a
`SessionResumed` and nothing is missing or said twice. The errors are in
`dalston_realtime.client.errors`. Times are seconds on the session's audio clock.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, Self, TypeAlias, TypedDict, Unpack

import orjson
from websockets.asyncio.client import ClientConnection

from dalston_realtime.client.connection.opening import open_connection
from dalston_realtime.client.connection.resilient import ResilientConnection
from dalston_realtime.client.connection.send_buffer import SendBuffer
from dalston_realtime.client.errors import ConnectionLostError
from dalston_realtime.client.events import Event
from dalston_realtime.client.url import DEFAULT_URL, stream_url
from dalston_realtime.protocol.close_codes import CloseCode

MAX_FRAME: Final = 1 << 20  # bytes of audio that the protocol allows in a frame
RESUME_FOR: Final = 30.0  # s for which a lost connection is tried again
MAX_AWAY: Final = 30.0  # s of audio that are taken while there is no connection
SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}

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
) -> "AsyncIterator[LiveSession]":
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
    line = ResilientConnection(
        connect, await connect(None), SendBuffer(sample * sample_rate, sample), resume_for
    )
    running = asyncio.create_task(line.run())
    try:
        yield LiveSession(line)
    finally:
        await line.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class LiveSession:
    """An open session; made by `transcribe_stream`.

    Every method that sends raises the `SessionClosedError` (or `ProtocolError`) that ended the
    session, once it is over. Events are kept while nobody iterates; of a backlog past 1,000 only
    partials are left out.
    """

    def __init__(self, line: ResilientConnection) -> None:
        self._line = line
        self._end_sent = False

    @property
    def session_id(self) -> str | None:
        """The server's name for it; None before `session.begin`."""
        return self._line.session_id

    @property
    def last_seq(self) -> int | None:
        """The number of the last event."""
        return self._line.last_seq

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._line.round_trip

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on where this session broke off.

        The session does so by itself; this is for another process that takes it over.
        """
        return self._line.resume_point

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
        event = await self._line.inbox.get()
        if event is None:
            raise StopAsyncIteration
        return event

    async def _send_message(self, message: dict[str, Any]) -> None:
        await self._send(orjson.dumps(message).decode())

    async def _send(self, frame: str | bytes) -> None:
        """Queue a frame, and wait until it was sent, or while too much waits for a connection."""
        line = self._line
        self._check_open()
        line.sent.add(frame)
        line.notice()
        while line.sent.waiting > (0 if line.connected else line.sent.seconds(MAX_AWAY)):
            await line.moved.wait()
            self._check_open()

    def _check_open(self) -> None:
        if self._line.over.is_set():
            raise self._line.failure or ConnectionLostError(
                CloseCode.NORMAL, "ended", "nothing can be sent after the end"
            )
