"""Frames between a client and its worker: audio one way, events the other, each at its reader's pace."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.ending import Ending
from gateway.link import WorkerLink, decode_event
from gateway.metrics import GatewayMetrics
from gateway.outbox import Event, Outbox, Queued
from gateway.tasks import first_of
from stages.errors import CloseCode, SessionError

MAX_FRAME_BYTES: Final = 1 << 20


class Proxy:
    """One session between its client and its worker; `audio_bytes` counts what the worker was given."""

    def __init__(self, client: WebSocket, link: WorkerLink, outbox: Outbox, metrics: GatewayMetrics) -> None:
        self.audio_bytes = 0
        self._client, self._link, self._outbox, self._metrics = client, link, outbox, metrics

    async def run(self) -> Ending:
        """Pass frames on until one side is gone; how it ended.

        Raises:
            SessionError: the session can't go on, by a fault of the client or of the worker.
        """
        return await first_of(self._to_client(), self._to_worker())

    async def _to_worker(self) -> Ending:
        """One frame at a time: while the worker takes none, none is read from the client."""
        open_ = True
        while True:
            message = await self._client.receive()
            if message["type"] == "websocket.disconnect":
                return Ending(None)
            frame: bytes | str = message["bytes"] if message.get("bytes") is not None else message["text"]
            size = len(frame.encode()) if isinstance(frame, str) else len(frame)
            if size > MAX_FRAME_BYTES:
                raise SessionError(
                    CloseCode.INVALID_REQUEST, f"a frame of {size} bytes; at most {MAX_FRAME_BYTES}"
                )
            # A worker that has closed is reported by the other direction, behind its last events.
            open_ = open_ and await self._link.send(frame)
            if open_ and isinstance(frame, bytes):
                self.audio_bytes += size

    async def _to_client(self) -> Ending:
        """Always reads: what the client does not take yet waits in the outbox."""
        told = None
        async for frame in self._link.frames():
            event = decode_event(frame)
            if event is None:
                self._metrics.undecodable.inc()
                continue
            if event["type"] == "error":
                told = event.get("code")
            self._outbox.put(event, len(frame), time.monotonic())
        return Ending.by_worker(self._link.close_code, self._link.close_reason, told)


class Writer:
    """Empties an outbox into the client's socket; `link` is known as soon as there is a worker."""

    def __init__(self, client: WebSocket, outbox: Outbox, metrics: GatewayMetrics) -> None:
        self.link: WorkerLink | None = None
        self._client, self._outbox, self._metrics = client, outbox, metrics

    async def run(self) -> None:
        """Send until the outbox has ended.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        while (queued := await self._outbox.take()) is not None:
            self._metrics.outbox.observe(len(self._outbox))
            self._stamp(queued)
            with raising_disconnect():
                await self._client.send_text(orjson.dumps(queued.event).decode())

    def _stamp(self, queued: Queued) -> None:
        if not queued.arrived:
            return
        took = time.monotonic() - queued.arrived
        self._metrics.forwarding.observe(took)
        timing: Event | None = queued.event.get("timing")
        if isinstance(timing, dict):
            timing["gateway"] = round(took * 1000, 3)
            if self.link and self.link.latency:
                timing["routing"] = round(self.link.latency / 2 * 1000, 3)


@contextmanager
def raising_disconnect() -> Iterator[None]:
    """uvicorn says RuntimeError when it has closed by itself; it means that the client is gone."""
    try:
        yield
    except RuntimeError as error:
        raise WebSocketDisconnect(1006) from error
