"""Keeps the frames for a client in order until its socket takes them."""

import asyncio
from collections import deque
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.realtime.dialects.actions import CloseClient, SayFrame

MAX_WAITING: Final = 500  # Frames that wait; beyond, nothing more is taken from the client or its session.


class Outbox:
    """The frames of one client; whoever appends waits in `drained` while too many are unsent."""

    def __init__(self) -> None:
        self._frames: deque[SayFrame | CloseClient] = deque()
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._closed = False

    def append(self, frame: SayFrame | CloseClient) -> None:
        """Send a frame, or close; behind a close nothing is sent."""
        if self._closed:
            return
        self._frames.append(frame)
        self._closed = isinstance(frame, CloseClient)
        self._changed.set()
        if len(self._frames) >= MAX_WAITING:
            self._drained.clear()

    def close(self) -> None:
        """The client is gone: nothing is sent any more."""
        self._closed = True
        self._frames.clear()
        self._drained.set()

    async def drained(self) -> None:
        """Wait while too many frames are unsent."""
        await self._drained.wait()

    async def run(self, client: WebSocket) -> None:
        """Send until the connection is closed from here.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        while True:
            while self._frames:
                frame = self._frames.popleft()
                if isinstance(frame, CloseClient):
                    await client.close(frame.code, frame.reason)
                    return
                await client.send_text(frame.text)
            self._drained.set()
            self._changed.clear()
            await self._changed.wait()

    async def send(self, client: WebSocket) -> None:
        """The same; a client that is gone is told nothing, and the reader says so."""
        try:
            await self.run(client)
        except WebSocketDisconnect:
            self.close()
            await asyncio.Event().wait()
