"""Opens live sessions on a server: audio goes in, typed events come out.

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
from typing import Any, Final, Self, TypedDict, Unpack

import msgspec
from websockets.asyncio.client import ClientConnection

from dalston_realtime.client.api_key import authorization
from dalston_realtime.client.connection.opening import open_connection
from dalston_realtime.client.connection.received_event import Event, ReceivedEvent
from dalston_realtime.client.connection.resilient import ResilientConnection
from dalston_realtime.client.connection.send_buffer import SendBuffer
from dalston_realtime.client.url import DEFAULT_URL, stream_url
from dalston_realtime.protocol.audio import ENCODED_BYTES, MAX_FRAME_BYTES, Encoding
from dalston_realtime.protocol.commands import (
    Command,
    ConfigCommand,
    EndCommand,
    FlushCommand,
    KeepaliveCommand,
    encode_command,
)
from dalston_realtime.protocol.parameters import ChannelMode, MinSilence, SessionConfig

RESUME_FOR_S: Final = 30.0  # Seconds for which a lost connection is tried again; a server waits as long.
DEFAULTS: Final = SessionConfig()  # What holds where a parameter is left out.


class StreamOptions(TypedDict, total=False):
    """Query parameters of the protocol; what is left out or None is up to the server."""

    language: str | None
    encoding: Encoding | None
    channels: int | None
    channel_mode: ChannelMode | None
    interim_results: bool | None
    enable_vad: bool | None
    word_timestamps: bool | None
    min_silence_ms: MinSilence | None
    vocabulary: list[str] | None
    timing: bool | None
    store: bool | None
    enhance_on_end: bool | None
    metadata: dict[str, Any] | None


@asynccontextmanager
async def transcribe_stream(
    url: str = DEFAULT_URL,
    *,
    model: str = "fast",
    sample_rate: int = 16_000,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    resume_for: float = RESUME_FOR_S,
    **options: Unpack[StreamOptions],
) -> "AsyncIterator[LiveSession]":
    """A session on the server at `url` (ws, wss, http or https), closed at the end of the block.

    `model` is a variant or a concrete model, `sample_rate` is in Hz, `key` an API key (by default that of
    DALSTON_API_KEY), and `headers` go with the upgrade. A lost connection is tried again for `resume_for`
    seconds.

    Raises:
        UsageError: `url` is not a URL of a server.
        UnreachableError: nothing answers there.
        RefusedError: an HTTP status instead of the upgrade; bad values: `InvalidParameterError`.
    """
    shown = {**authorization(key), **(headers or {})}
    asked = {"model": model, "sample_rate": sample_rate, **options}

    async def connect(resume: str | None) -> ClientConnection:
        return await open_connection(stream_url(url, asked | {"resume": resume}), url, shown)

    sample_bytes = _sample_bytes(options)
    send_buffer = SendBuffer(sample_bytes * sample_rate, sample_bytes)
    connection = ResilientConnection(connect, await connect(None), send_buffer, resume_for)
    running = asyncio.create_task(connection.run())
    try:
        yield LiveSession(connection)
    finally:
        await connection.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _sample_bytes(options: StreamOptions) -> int:
    """Bytes of one sample of all channels; the server refuses what is not known here."""
    encoding = options.get("encoding") or DEFAULTS.encoding
    return ENCODED_BYTES.get(encoding, 1) * (options.get("channels") or DEFAULTS.channels)


class LiveSession:
    """An open session; made by `transcribe_stream`.

    Every method that sends raises the `SessionClosedError` (or `ProtocolError`) that ended the
    session, once it is over. Events are kept while nobody iterates; of a backlog past 1,000 only
    partials are left out.
    """

    def __init__(self, connection: ResilientConnection) -> None:
        self._connection = connection
        self._end_sent = False

    @property
    def session_id(self) -> str | None:
        """The server's name for it; None before `session.begin`."""
        return self._connection.session_id

    @property
    def last_seq(self) -> int | None:
        """The number of the last event."""
        return self._connection.last_seq

    @property
    def round_trip(self) -> float | None:
        """The newest round trip of a ping to the server, in seconds; None before the first."""
        return self._connection.round_trip

    @property
    def resume_point(self) -> str | None:
        """What the `resume` parameter takes to go on where this session broke off.

        The session does so by itself; this is for another process that takes it over.
        """
        return self._connection.resume_point

    async def send(self, pcm: bytes | bytearray | memoryview) -> None:
        """Send audio in the declared encoding; waits while the server takes no more."""
        view = memoryview(pcm).cast("B")
        for start in range(0, len(view), MAX_FRAME_BYTES):
            await self._connection.send(bytes(view[start : start + MAX_FRAME_BYTES]))

    async def flush(self, flush_id: str) -> None:
        """Finalize what was said so far; one `Final` with this `flush_id` answers."""
        await self._send_command(FlushCommand(id=flush_id))

    async def configure(
        self,
        *,
        min_silence_ms: MinSilence | None = None,
        language: str | None = None,
        interim_results: bool | None = None,
    ) -> None:
        """Change these from the next utterance on; None leaves one as it is."""
        await self._send_command(
            ConfigCommand(
                min_silence_ms=_unless_none(min_silence_ms),
                language=_unless_none(language),
                interim_results=_unless_none(interim_results),
            )
        )

    async def keepalive(self) -> None:
        """Tell the server that the client is there, and has nothing to send at the moment."""
        await self._send_command(KeepaliveCommand())

    async def end(self) -> None:
        """Send no more audio: what was received is transcribed, then the events end. Safe to repeat."""
        if not self._end_sent:
            self._end_sent = True
            await self._send_command(EndCommand())

    async def received(self) -> AsyncIterator[ReceivedEvent]:
        """The events as iterating the session gives them, each with the frame that it came in."""
        while (received := await self._connection.inbox.next()) is not None:
            yield received

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        received = await self._connection.inbox.next()
        if received is None:
            raise StopAsyncIteration
        return received.event

    async def _send_command(self, command: Command) -> None:
        await self._connection.send(encode_command(command))


def _unless_none(value: object) -> object:
    return msgspec.UNSET if value is None else value
