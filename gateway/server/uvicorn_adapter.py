"""Reaches past the public interface of uvicorn, where that leaves a client without an answer or a deadline.

Checked against uvicorn 0.54.0 and websockets 17.4; tests/unit/gateway/server/test_uvicorn_adapter.py fails
where another version behaves differently.

- `GuardedHttp`: a connection that sends nothing, or its request byte by byte, would stay for ever; a
  request that websockets finds too long would be closed without an answer.
- `DrainingServer`: uvicorn would take the signals for itself, and would wait for connections whose client
  takes no close.
- `UvicornSockets`: after uvicorn has closed a WebSocket by itself, a send raises RuntimeError, as for a fault
  of the application; and a connection that broke has the close code 1005, as one that was closed without a
  code, but no reason.
"""

import asyncio
import contextlib
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec
import uvicorn
import websockets.http11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http import MAX_QUERY_BYTES

MAX_HEAD_BYTES: Final = MAX_QUERY_BYTES + 16_384  # Bytes of a request's head: the query and all headers.
MAX_HEADERS: Final = 100  # Headers of a request, fewer than websockets allows, so that we can answer.
HEAD_END: Final = b"\r\n\r\n"
ABNORMAL: Final = 1006  # The close code of a connection that broke.


class UvicornSockets:
    """The application `app`, for which a WebSocket that is gone is always the same thing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or a connection."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def receive_checked() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect" and "reason" not in message:
                message["code"] = ABNORMAL
            return message

        async def send_checked(message: Message) -> None:
            try:
                await send(message)
            except RuntimeError as error:
                raise ConnectionError("uvicorn has closed the connection") from error

        await self._app(scope, receive_checked, send_checked)


class DrainingServer(uvicorn.Server):
    """A uvicorn that leaves the signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: clients are told before this server is."""
        yield

    async def end_serving(self, serving: asyncio.Task[None], seconds: float) -> None:
        """End `serving`, the task of `serve`; who has not taken the close by then is cut off."""
        self.should_exit = True
        await asyncio.wait([serving], timeout=seconds)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await serving


class GuardedHttp(HttpToolsProtocol):
    """One connection until its upgrade; `head_seconds` is for a request's head to arrive."""

    head_seconds: ClassVar[float]
    _deadline: TimerHandle | None = None
    _head_bytes = 0
    _head_end = b""  # The last bytes of the head so far, which may be the first ones of its end.

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The client has `head_seconds` from now."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head; a body may come with it, and is as long as its reader allows."""
        while self._deadline is not None and data:
            room = MAX_HEAD_BYTES - self._head_bytes
            part, data = data[:room], data[room:]
            seen = self._head_end + part
            if data and HEAD_END not in seen:
                self._refuse("the request is too long")
                return
            self._head_bytes, self._head_end = self._head_bytes + len(part), seen[1 - len(HEAD_END) :]
            super().data_received(part)
        if data and not self.transport.is_closing():
            # The head may have asked for another protocol, which has the connection now.
            protocol = self.transport.get_protocol()
            receive = super().data_received if protocol is self else protocol.data_received  # type: ignore[attr-defined]
            receive(data)

    def on_message_begin(self) -> None:
        """The first byte of a request, of a second one on the same connection too."""
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._head_is_here()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Refuse what websockets would close on without an answer."""
        if len(self.headers) > MAX_HEADERS or not self.url.isascii():
            self._refuse("too many headers, or a path that is not ASCII")
            return
        super().handle_websocket_upgrade()

    def _expect_head(self) -> None:
        self._head_is_here()
        self._head_bytes, self._head_end = 0, b""
        self._deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, message: str) -> None:
        self._head_is_here()
        error = {"code": "invalid_parameter", "param": "query", "message": message}
        body = msgspec.json.encode({"error": error})
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def guarded_http(head_seconds: float) -> type[GuardedHttp]:
    """The protocol for uvicorn, which makes the instances itself."""
    # uvicorn hands the request line to websockets, whose own limit is below what a vocabulary needs. There is
    # no other way to set it than this, or an environment variable that must be set before the import.
    websockets.http11.MAX_LINE_LENGTH = MAX_HEAD_BYTES
    return type("GuardedHttp", (GuardedHttp,), {"head_seconds": head_seconds})
