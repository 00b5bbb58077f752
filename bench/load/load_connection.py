"""Speaks one session's side of the client protocol, with as little CPU time as possible."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from bench.load.chunks import CHUNK_S

MAX_EVENT: Final = 8 << 20  # Bytes of one event; more than the transcript of an hour.
ROUNDING: Final = 1e-6  # Chunks; keeps an end on the border of two chunks in the first of them.


class LoadSessionError(Exception):
    """The server ended a session, or refused it."""


class LoadConnection(asyncio.Protocol):
    """One session; the futures `opened` and `ended` become done when it is, or fail with the reason.

    `on_latency` gets for each partial the seconds since the chunk left that carried its last audio. A worker
    asks for its `secret`, and for an `open_request` as the first frame; a gateway for neither (None).
    """

    def __init__(
        self,
        uri: WebSocketURI,
        secret: str | None,
        open_request: str | None,
        on_latency: Callable[[float], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.sent_at: list[float] = []  # When each chunk left, in seconds of the monotonic clock.
        self._protocol = ClientProtocol(uri, max_size=MAX_EVENT)
        self._secret, self._open_request, self._on_latency = secret, open_request, on_latency
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the session."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        request = self._protocol.connect()
        if self._secret is not None:
            request.headers["Authorization"] = f"Bearer {self._secret}"
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Handle what the server sends."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._handle_response()
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._handle_event(orjson.loads(event.data))
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session with the reason, unless it has ended."""
        failure = self._protocol.handshake_exc or LoadSessionError(str(exc or self._close_reason()))
        self._fail(failure)

    def send_frame(self, frame: bytes) -> None:
        """Send the bytes of a masked frame."""
        if self._transport is not None and not self.ended.done():
            self._transport.write(frame)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(LoadSessionError("hung up"))

    def _handle_response(self) -> None:
        if self._protocol.state is not State.OPEN:
            return
        if self._open_request is None:
            self._mark_open()
        else:
            self._protocol.send_text(self._open_request.encode())

    def _mark_open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _handle_event(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "accepted"}:
                self._mark_open()
            case {"type": "refused", "message": str() as message}:
                self._fail(LoadSessionError(message))
            case {"type": "transcript.partial", "end": float() | int() as end}:
                chunk = chunk_with(end)
                if chunk < len(self.sent_at):
                    self._on_latency(time.monotonic() - self.sent_at[chunk])
            case {"type": "error", "recoverable": False, "message": str() as message}:
                self._fail(LoadSessionError(message))
            case {"type": "session.end"} if not self.ended.done():
                self.ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        for future in (self.opened, self.ended):
            if not future.done():
                future.set_exception(error)
                future.exception()  # Marks it as read: a caller awaits only one of the two.

    def _close_reason(self) -> str:
        code = self._protocol.close_code
        return "the connection was lost" if code is None else f"closed with {code}"

    def _flush(self) -> None:
        if self._transport is not None and (data := b"".join(self._protocol.data_to_send())):
            self._transport.write(data)


def chunk_with(end: float) -> int:
    """The number of the chunk, from 0, that has the last sample before `end` seconds."""
    return max(0, int(end / CHUNK_S - ROUNDING))
