"""Reaches past the public interface of uvicorn, where that leaves a client without an answer or a deadline.

Checked against uvicorn 0.54.0 and websockets 17.4; tests/unit/gateway/server/test_uvicorn_adapter.py fails
where another version behaves differently.

- `GuardedHttp`: a connection that sends nothing, its head or its body byte by byte, or that takes no answer,
  would stay for ever; a request that websockets finds too long would be closed without an answer.
- `DrainingServer`: uvicorn would take the signals for itself, would wait for connections whose client
  takes no close, and would give a client a minute for the handshake of TLS.
- `UvicornSockets`: after uvicorn has closed a WebSocket by itself, a send raises RuntimeError, as for a fault
  of the application; and a connection that broke has the close code 1005, as one that was closed without a
  code, but no reason.
"""

import asyncio
import contextlib
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final

import uvicorn
import websockets.http11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.http import MAX_QUERY_BYTES, error_reply
from gateway.server.deadlines import ClientDeadlines
from runtime.write_deadline import WriteDeadline

MAX_HEAD_BYTES: Final = MAX_QUERY_BYTES + 16_384  # Bytes of a request's head: the query and all headers.
MAX_HEADERS: Final = 100  # Headers of a request, fewer than websockets allows, so that we can answer.
MIN_BODY_BYTES: Final = (
    10 << 10
)  # Bytes of a body in each of its deadlines: a slow phone sends ten times that.
REFUSED: Final = {
    400: ("invalid_parameter", "query"),
    408: ("timeout", "body"),
}  # Their codes and parameters.
HEAD_END: Final = b"\r\n\r\n"
TLS_CLOSE_S: Final = 1.0  # Seconds for a client to answer the end of TLS, as for that of a WebSocket.
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

        accepted = broken = False

        async def receive_checked() -> Message:
            nonlocal broken
            message = await receive()
            broken = broken or "broken" in message
            if message["type"] == "websocket.disconnect" and "reason" not in message:
                message["code"] = ABNORMAL
            return message

        async def send_checked(message: Message) -> None:
            nonlocal accepted
            try:
                await send(message)
            except RuntimeError as error:
                raise ConnectionError("uvicorn has closed the connection") from error
            accepted = accepted or message["type"] == "websocket.accept"

        await self._app(scope, receive_checked, send_checked)
        if accepted and broken:
            await send({"type": "websocket.close"})  # Where the application has not closed.


class DrainingServer(uvicorn.Server):
    """A uvicorn that leaves the signals to whoever runs it; clients have `tls_s` seconds for a handshake."""

    def __init__(self, config: uvicorn.Config, tls_s: float) -> None:
        super().__init__(config)
        self._tls_s = tls_s

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the sockets."""
        await self.lifespan.startup()
        config, listen = self.config, asyncio.get_running_loop().create_server
        protocol: Any = config.http_protocol_class
        accept = partial(protocol, config, self.server_state, self.lifespan.state)
        times = (self._tls_s, TLS_CLOSE_S) if config.ssl else (None, None)
        self.servers = [
            await listen(
                accept,
                sock=each,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=times[0],
                ssl_shutdown_timeout=times[1],
            )
            for each in sockets or []
        ]
        self.started = True

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
    """One connection until its upgrade."""

    deadlines: ClassVar[ClientDeadlines]
    _deadline: TimerHandle | None = None
    _body_deadline: TimerHandle | None = None
    _body_bytes = 0  # Bytes of the body since its deadline was last set.
    _write_deadline: WriteDeadline
    _head_bytes = 0
    _head_end = b""  # The last bytes of the head so far, which may be the first ones of its end.

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The client has the time for a head from now."""
        super().connection_made(transport)
        self._write_deadline = WriteDeadline(transport, self.deadlines.unwritable)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._head_is_here()
        self._body_is_here()
        self._write_deadline.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has to take something of the answer."""
        super().pause_writing()
        self._write_deadline.start()

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self._write_deadline.stop()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head; a body may come with it, and is as long as its reader allows."""
        while self._deadline is not None and data:
            room = MAX_HEAD_BYTES - self._head_bytes
            part, data = data[:room], data[room:]
            seen = self._head_end + part
            if data and HEAD_END not in seen:
                self._refuse(400, "the request is too long")
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
        """The head is here, and the body is next."""
        self._head_is_here()
        self._expect_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self._body_is_here()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Refuse what websockets would close on without an answer."""
        self._body_is_here()
        if len(self.headers) > MAX_HEADERS or not self.url.isascii():
            self._refuse(400, "too many headers, or a path that is not ASCII")
            return
        super().handle_websocket_upgrade()

    def _expect_head(self) -> None:
        self._head_is_here()
        self._head_bytes, self._head_end = 0, b""
        self._deadline = self.loop.call_later(self.deadlines.head, self.transport.abort)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_body(self) -> None:
        self._body_is_here()
        self._body_bytes = 0
        self._body_deadline = self.loop.call_later(self.deadlines.body, self._check_body)

    def _body_is_here(self) -> None:
        if self._body_deadline is not None:
            self._body_deadline.cancel()
            self._body_deadline = None

    def _check_body(self) -> None:
        """Cut off a client whose body hardly grows; while it is not read, that is not the client's fault."""
        if self.flow.read_paused or self._body_bytes >= MIN_BODY_BYTES:
            self._expect_body()
        elif self.cycle.response_started:
            self.transport.abort()
        else:
            self._refuse(408, "the body comes too slowly")

    def _refuse(self, status: int, message: str) -> None:
        self._head_is_here()
        code, param = REFUSED[status]
        body = bytes(error_reply(status, code, message, param=param).body)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def guarded_http(deadlines: ClientDeadlines) -> type[GuardedHttp]:
    """The protocol for uvicorn, which makes the instances itself."""
    # uvicorn hands the request line to websockets, whose own limit is below what a vocabulary needs. There is
    # no other way to set it than this, or an environment variable that must be set before the import.
    websockets.http11.MAX_LINE_LENGTH = MAX_HEAD_BYTES
    return type("GuardedHttp", (GuardedHttp,), {"deadlines": deadlines})
