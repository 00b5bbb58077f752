"""Sends events to a browser over HTTP (text/event-stream), until it goes, is too slow, or they end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.concurrency import first_of

MEDIA_TYPE: Final = "text/event-stream"


class EventStream(Response):
    """An answer of events; a client that takes one not within `send_seconds` is let go."""

    def __init__(self, events: AsyncIterator[Any], send_seconds: float) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._events, self._send_seconds = events, send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of them."""
        with suppress(TimeoutError):
            await first_of(self._send_all(send), _until_gone(receive))

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for event in self._events:
            body = b"data: " + msgspec.json.encode(event) + b"\n\n"
            async with asyncio.timeout(self._send_seconds):
                await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
