"""The frames of one session on their way to its socket, and the session's end behind them."""

import asyncio
from collections import deque
from typing import Any, Final

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from dalston_realtime.protocol.close_codes import CloseCode

MAX_FRAMES: Final = 4_096  # waiting for the gateway, which always reads: more means that it hangs


class EventWriter:
    """Queues without waiting, writes in order, closes last."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._frames: deque[bytes] = deque()
        self._early: list[bytes] | None = []  # events of our own that wait for `session.begin`
        self._news = asyncio.Event()
        self._code: CloseCode | None = None
        self._error: BaseException | None = None
        self._gone = False

    def put(self, frame: bytes) -> None:
        """Queue a frame; nothing may follow the end."""
        if self._code is not None:
            return
        self._frames.append(frame)
        self._begun()
        if len(self._frames) > MAX_FRAMES:
            self._frames.clear()
            self.fail(CloseCode.INTERNAL, "the results were not read")
        self._news.set()

    def tell(self, kind: str, **fields: Any) -> None:
        """Queue an event of the receiver's own; it comes behind `session.begin`."""
        frame = orjson.dumps({"type": kind, **fields})
        if self._early is None:
            self.put(frame)
        elif len(self._early) < MAX_FRAMES:
            self._early.append(frame)

    def fail(self, code: CloseCode, message: str) -> None:
        """Queue an `error` event and the end with its code."""
        self._begun()  # or never
        self.tell("error", code=code.error, message=message, recoverable=False)
        self.end(code)

    def end(self, code: CloseCode) -> None:
        """Close the socket with `code` behind what is queued."""
        if self._code is None:
            self._code = code
        self._news.set()

    def leave(self) -> None:
        """Stop at once: the socket is gone."""
        self._gone = True
        self._news.set()

    def abort(self, error: BaseException) -> None:
        """Stop at once: reading failed."""
        self._error = error
        self._news.set()

    def _begun(self) -> None:
        early, self._early = self._early, None
        self._frames.extend(early or ())

    async def run(self) -> CloseCode:
        """Write until the end, and close the socket; the code with which the session closed.

        A socket that is gone is a client that left (`NORMAL`).
        """
        try:
            while self._error is None and not self._gone:
                if self._frames:
                    await self._socket.send(self._frames.popleft().decode())
                elif self._code is not None:
                    reason = "" if self._code is CloseCode.NORMAL else self._code.error
                    await self._socket.close(self._code, reason)
                    return self._code
                else:
                    self._news.clear()
                    await self._news.wait()
        except ConnectionClosed:
            return CloseCode.NORMAL
        if self._error is None or isinstance(self._error, ConnectionClosed):
            return CloseCode.NORMAL
        raise self._error
