"""Serves one client's WebSocket from its session's port, until the one or the other ends."""

import asyncio
from contextlib import suppress
from typing import Final

from msgspec.structs import replace
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import encode_event
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.port import SessionPort
from runtime.errors import SessionError
from runtime.logs import get_logger

log = get_logger(__name__)

IN_A_ROW: Final = 50  # Frames of one client that are taken before it is another one's turn.
RESTART_FLUSH_S: Final = 0.7  # Seconds for the last results: the process has 3 s from the signal to its end.
FINAL_ERROR_S: Final = 0.5  # Seconds to get the last event to a client whose connection was replaced.


class ClientConnection:
    """Serves one client; `flush_timeout` is the seconds to get the last results to it."""

    def __init__(self, client: WebSocket, port: SessionPort, flush_timeout: float) -> None:
        self._client, self._port, self._flush_timeout = client, port, flush_timeout

    async def serve(self) -> None:
        """Serve until the end, and let go of the session."""
        done = False
        try:
            done = await self._serve()
        finally:
            self._port.close(done=done)

    async def _serve(self) -> bool:
        """Serve until the end; whether the client is done with its session, so that it need not be kept."""
        detached = self._port.detached
        writing = asyncio.create_task(self._write())
        reading = asyncio.create_task(self._read())
        ending = asyncio.create_task(self._port.ended())
        waiting: list[asyncio.Future[object]] = [writing, reading, ending, detached]  # type: ignore[list-item]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if ending.done() and not detached.done() and not writing.done():
                await asyncio.wait([writing], timeout=flush_seconds(ending.result(), self._flush_timeout))
        finally:
            for task in (writing, reading, ending):
                task.cancel()
            await asyncio.gather(writing, reading, ending, return_exceptions=True)
            last = self._port.let_go()
        if detached.done():
            await self._send_final_error(detached.result(), last)
            return False
        return await self._conclude(writing, reading)

    async def _conclude(self, writing: "asyncio.Task[SessionOutcome]", reading: "asyncio.Task[bool]") -> bool:
        failure = _failure(writing) or _failure(reading)
        if failure is not None:
            raise failure
        if not writing.cancelled() and writing.exception() is None:
            return await self._close(writing.result())
        if not reading.cancelled() and reading.exception() is None and not _disconnected(writing):
            return reading.result()
        if writing.cancelled():
            log.warning("the client did not read its last results")
        return False

    async def _close(self, outcome: SessionOutcome) -> bool:
        """The session's own end; a client that is not there any more may come back for it."""
        if outcome.code is None:
            return True
        with suppress(WebSocketDisconnect):
            await self._client.close(outcome.code, outcome.name)
        return False

    async def _send_final_error(self, outcome: SessionOutcome, last: int) -> None:
        """The last event of this connection alone, behind `last`: the session numbers on as without it."""
        assert outcome.code is not None
        assert outcome.event is not None
        event = replace(outcome.event, seq=last + 1)
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(FINAL_ERROR_S):
                await self._client.send_text(encode_event(event).decode())
                await self._client.close(outcome.code, outcome.name)

    async def _read(self) -> bool:
        """Take frames until the client is gone; whether it said that it is done."""
        try:
            return await self._take_frames()
        except SessionError as error:
            self._port.fail(error)
            await asyncio.Event().wait()
            return True

    async def _take_frames(self) -> bool:
        """One frame at a time: while the session takes none, none is read."""
        while True:
            for _ in range(IN_A_ROW):
                message = await self._client.receive()
                if message["type"] == "websocket.disconnect":
                    if "broken" in message:  # The protocol of WebSockets: the client can still be told.
                        raise SessionError(CloseCode.INVALID_REQUEST, message["reason"])
                    return bool(message["code"] == CloseCode.NORMAL)
                frame = _frame(message)
                if isinstance(frame, str):
                    await self._port.handle(frame)
                else:
                    await self._port.append_audio(frame)
            await asyncio.sleep(0)

    async def _write(self) -> SessionOutcome:
        """Send what was missed and what comes, to the session's end.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        async for outgoing in self._port.events():
            await self._client.send_text(outgoing.data.decode())
        return await self._port.ended()


def flush_seconds(outcome: SessionOutcome, flush_timeout: float) -> float:
    """Seconds to get the last results to a client whose session ended so."""
    restarts = outcome.code is CloseCode.RESTARTING
    return min(flush_timeout, RESTART_FLUSH_S) if restarts else flush_timeout


def _frame(message: Message) -> bytes | str:
    frame: bytes | str = message["bytes"] if message.get("bytes") is not None else message["text"]
    size = len(frame.encode()) if isinstance(frame, str) else len(frame)
    if size > MAX_FRAME_BYTES:
        text = f"a frame of {size} bytes; at most {MAX_FRAME_BYTES}"
        raise SessionError(CloseCode.INVALID_REQUEST, text)
    return frame


def _disconnected(task: "asyncio.Task[SessionOutcome]") -> bool:
    return not task.cancelled() and isinstance(task.exception(), WebSocketDisconnect)


def _failure(task: "asyncio.Task[SessionOutcome] | asyncio.Task[bool]") -> BaseException | None:
    """What went wrong that is no client's going away."""
    if task.cancelled():
        return None
    error = task.exception()
    return None if isinstance(error, WebSocketDisconnect) else error
