"""One client's connection to its session: frames in, events out, until the one or the other ends."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Protocol

import orjson
import structlog
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.metrics import GatewayMetrics
from gateway.sessions.event_queue import Event, EventQueue, PendingEvent
from gateway.sessions.outcome import SessionOutcome
from runtime.errors import SessionError

log = structlog.stdlib.get_logger(__name__)

MAX_FRAME_BYTES: Final = 1 << 20
IN_A_ROW: Final = 50  # frames that one client may have waiting before it is another one's turn
LEFT: Final = (1000, 1001, 1005)  # codes with which a client says that it is done
RESTART_FLUSH_S: Final = 0.7  # the whole process has 3 s from the signal to its end
FAREWELL_S: Final = 0.5  # to get the last word to a client that this connection is over for


class Served(Protocol):
    """What a connection needs of its session."""

    id: str
    outbox: EventQueue

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        ...

    async def hear(self, frame: bytes | str) -> None:
        """Take a client's frame."""
        ...

    def fail(self, error: SessionError) -> None:
        """End by a fault of the client."""
        ...

    async def commit(self) -> None:
        """See to it that what is about to be sent is known to other gateways."""
        ...

    async def ended(self) -> SessionOutcome:
        """How the session ended, once it has."""
        ...


class ClientConnection:
    """Serves one client. `replay` are the events that it missed, to be sent first."""

    def __init__(
        self,
        client: WebSocket,
        session: Served,
        metrics: GatewayMetrics,
        flush_timeout: float,
        replay: list[bytes] | None = None,
    ) -> None:
        self._client, self._session, self._metrics = client, session, metrics
        self._flush_timeout = flush_timeout
        self._replay = replay or []
        self._parting: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        self._released = asyncio.Event()

    async def serve(self) -> bool:
        """Serve until the end; whether the session is done with this client, so that it need not be kept."""
        writing = asyncio.create_task(self._write())
        reading = asyncio.create_task(self._read())
        ending = asyncio.create_task(self._session.ended())
        waiting: list[asyncio.Future[object]] = [writing, reading, ending, self._parting]  # type: ignore[list-item]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if ending.done() and not self._parting.done() and not writing.done():
                await asyncio.wait([writing], timeout=self._flush_seconds(ending.result()))
        finally:
            for task in (writing, reading, ending):
                task.cancel()
            await asyncio.gather(writing, reading, ending, return_exceptions=True)
            last = self._session.outbox.seq
            self._released.set()
        if self._parting.done():
            await self._farewell(self._parting.result(), last)
            return False
        return await self._outcome(writing, reading)

    def _flush_seconds(self, ending: SessionOutcome) -> float:
        restarts = ending.code is CloseCode.RESTARTING
        return min(self._flush_timeout, RESTART_FLUSH_S) if restarts else self._flush_timeout

    async def part(self, ending: SessionOutcome) -> None:
        """End this connection, not the session; returns when nothing more is taken from the session."""
        if not self._parting.done():
            self._parting.set_result(ending)
        await self._released.wait()

    async def _outcome(self, writing: "asyncio.Task[SessionOutcome]", reading: "asyncio.Task[bool]") -> bool:
        failure = _failure(writing) or _failure(reading)
        if failure is not None:
            raise failure
        if not writing.cancelled() and writing.exception() is None:
            return await self._close(writing.result())
        if not reading.cancelled() and reading.exception() is None and not _disconnected(writing):
            return reading.result()
        if writing.cancelled():
            log.warning("session=%s the client did not read its last results", self._session.id)
        return False

    async def _close(self, ending: SessionOutcome) -> bool:
        """The session's own end; a client that is not there any more may come back for it."""
        if ending.code is None:
            return True
        try:
            with raising_disconnect():
                await self._client.close(ending.code, ending.name)
        except WebSocketDisconnect:
            return False
        return False

    async def _farewell(self, ending: SessionOutcome, last: int) -> None:
        """The last event of this connection alone, behind `last`: the session numbers on as without it."""
        assert ending.code is not None
        event = (ending.event or {}) | {"seq": last + 1}
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(FAREWELL_S):
                with raising_disconnect():
                    await self._client.send_text(orjson.dumps(event).decode())
                    await self._client.close(ending.code, ending.name)

    async def _read(self) -> bool:
        """Take frames until the client is gone; whether it said that it is done."""
        try:
            return await self._take_frames()
        except SessionError as error:
            self._session.fail(error)
            await asyncio.Event().wait()
            return True

    async def _take_frames(self) -> bool:
        """One frame at a time: while the session takes none, none is read."""
        while True:
            for _ in range(IN_A_ROW):
                message = await self._client.receive()
                if message["type"] == "websocket.disconnect":
                    # uvicorn says 1005 for a connection that broke as well, but then there is no reason
                    return "reason" in message and message["code"] in LEFT
                await self._session.hear(_frame(message))
            await asyncio.sleep(0)

    async def _write(self) -> SessionOutcome:
        """Send what was missed and what comes, to the session's end.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        outbox = self._session.outbox
        for data in self._replay:
            await self._send(data)
        while (queued := await outbox.take()) is not None:
            self._metrics.outbox.observe(len(outbox))
            self._stamp(queued)
            data = outbox.sent(queued, time.monotonic())
            if not queued.is_partial:
                await self._session.commit()
            await self._send(data)
        return await self._session.ended()

    async def _send(self, data: bytes) -> None:
        with raising_disconnect():
            await self._client.send_text(data.decode())

    def _stamp(self, queued: PendingEvent) -> None:
        if not queued.arrived:
            return
        took = time.monotonic() - queued.arrived
        self._metrics.forwarding.observe(took)
        timing: Event | None = queued.event.get("timing")
        if isinstance(timing, dict):
            timing["gateway"] = round(took * 1000, 3)
            if self._session.latency:
                timing["routing"] = round(self._session.latency / 2 * 1000, 3)


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


@contextmanager
def raising_disconnect() -> Iterator[None]:
    """uvicorn says RuntimeError when it has closed by itself; it means that the client is gone."""
    try:
        yield
    except RuntimeError as error:
        raise WebSocketDisconnect(1006) from error
