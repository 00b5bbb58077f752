"""uvicorn's HTTP, with a deadline and a limited size for the head of each request.

A connection that sends nothing, or its request byte by byte, would otherwise stay for ever; a request
that websockets finds too long would be closed without an answer.
"""

from asyncio import TimerHandle, Transport
from typing import ClassVar, Final

import orjson
import websockets.http11
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.realtime.admission import MAX_QUERY_BYTES

MAX_HEAD_BYTES: Final = MAX_QUERY_BYTES + 16_384
MAX_HEADERS: Final = 100  # below the limit of websockets


class GuardedHttp(HttpToolsProtocol):
    """One connection until its upgrade; `head_seconds` is for a request's head to arrive."""

    head_seconds: ClassVar[float]
    _deadline: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """The client has `head_seconds` from now."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is expected any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse("the request is too long")
                return
        super().data_received(data)

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
        self._head_bytes = 0
        self._deadline = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, message: str) -> None:
        self._head_is_here()
        error = {"code": "invalid_parameter", "param": "query", "message": message}
        body = orjson.dumps({"error": error})
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def guarded_http(head_seconds: float) -> type[GuardedHttp]:
    """The protocol for uvicorn, which makes the instances itself."""
    # uvicorn hands the request line to websockets, whose own limit is below what a vocabulary needs.
    websockets.http11.MAX_LINE_LENGTH = MAX_HEAD_BYTES
    return type("GuardedHttp", (GuardedHttp,), {"head_seconds": head_seconds})
