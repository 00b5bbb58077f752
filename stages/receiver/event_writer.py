"""Writes the frames of one session to its socket in order, and closes the socket behind them."""

import asyncio
from collections import deque
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import ServerError
from runtime.worker_link import WorkerMessage, encode

MAX_FRAMES: Final = 4_096  # Frames that wait for the gateway, which always reads: more means that it hangs.


class EventWriter:
    """Takes frames without waiting. Events of the receiver's own come behind `session.begin`."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._frames: deque[str] = deque()
        self._held: list[str] | None = []  # events of our own until `session.begin` has come
        self._news = asyncio.Event()
        self._code: CloseCode | None = None
        self._error: BaseException | None = None
        self._stopped = False

    def append_frame(self, frame: str) -> None:
        """Queue a frame of the pipeline; nothing may follow the close."""
        if self._code is not None:
            return
        self._frames.append(frame)
        self._release_held()
        if len(self._frames) > MAX_FRAMES:
            self._frames.clear()
            self.close_with_error(CloseCode.INTERNAL, "the results were not read")
        self._news.set()

    def send_event(self, event: WorkerMessage) -> None:
        """Queue an event of the receiver's own; it comes behind `session.begin`."""
        if self._held is None:
            self.append_frame(encode(event))
        elif len(self._held) < MAX_FRAMES:
            self._held.append(encode(event))

    def close_with_error(self, code: CloseCode, message: str) -> None:
        """Queue an `error` event, and the close with its code."""
        self._release_held()  # there may never be a `session.begin`
        self.send_event(ServerError(code=code.error, message=message, recoverable=False))
        self.close_after_frames(code)

    def close_after_frames(self, code: CloseCode) -> None:
        """Close the socket with `code` behind what is queued; the first code stands."""
        if self._code is None:
            self._code = code
        self._news.set()

    def stop_writing(self) -> None:
        """Write nothing more: the socket is gone."""
        self._stopped = True
        self._news.set()

    def abort(self, error: BaseException) -> None:
        """Write nothing more, and have `run` raise the error with which reading failed."""
        self._error = error
        self._news.set()

    def _release_held(self) -> None:
        held, self._held = self._held, None
        self._frames.extend(held or ())

    async def run(self) -> CloseCode:
        """Write until the close; the code with which the session closed.

        A socket that is gone is a client that left (`NORMAL`).
        """
        try:
            while self._error is None and not self._stopped:
                if self._frames:
                    await self._socket.send(self._frames.popleft())
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
