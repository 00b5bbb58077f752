"""A worker for tests: it registers, beats, and speaks the internal link, without any transcription."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from broker.errors import RegistryUnavailable
from broker.records import ModelInfo, WorkerRecord
from broker.registry import Registry

BEAT_S = 0.2
MODEL = ModelInfo("fast", "tiny-en", "fake", ("en",), {"streaming": False, "interim_results": True})

Behaviour = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One session at the worker."""

    def __init__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.connection = connection
        self.path = urlsplit(connection.request.path).path
        self.query = parse_qs(urlsplit(connection.request.path).query)
        self.received: list[bytes | str] = []

    @property
    def session_id(self) -> str:
        """The gateway's name for the session."""
        return self.query["session_id"][0]

    async def event(self, kind: str, **fields: Any) -> None:
        """Send an event."""
        await self.connection.send(json.dumps({"type": kind, **fields}))

    async def begin(self) -> None:
        """Send `session.begin`."""
        await self.event("session.begin", session_id=self.session_id)


def read_message(frame: str) -> dict[str, Any]:
    """The client's message; one without a type for what is none."""
    try:
        message: dict[str, Any] = json.loads(frame)
    except ValueError:
        return {"type": None}
    return message


async def echo(visit: Visit) -> None:
    """A partial for each audio frame, a final for each flush, the end when asked."""
    await visit.begin()
    audio = 0
    async for frame in visit.connection:
        visit.received.append(frame)
        if isinstance(frame, bytes):
            audio += len(frame)
            await visit.event("transcript.partial", utterance=0, text=str(audio))
            await visit.event("progress", processed=audio / 32_000)
            continue
        message = read_message(frame)
        if message["type"] == "flush":
            await visit.event("transcript.final", utterance=0, text="", flush_id=message["id"])
        if message["type"] == "end":
            await visit.event("session.end", audio_duration=audio / 32_000)
            return


class FakeWorker:
    """A worker with a record in the registry."""

    def __init__(self, worker_id: str, port: int, capacity: int, models: tuple[ModelInfo, ...]) -> None:
        self.record = WorkerRecord(worker_id, f"ws://127.0.0.1:{port}", capacity, models)
        self.visits: list[Visit] = []
        self.open: list[str] = []
        self.server: Server
        self.tolerant = False  # whether Redis may be away

    async def beat(self, registry: Registry) -> None:
        """Beat until cancelled."""
        while True:
            try:
                sessions = tuple(sorted({session.partition(".")[0] for session in self.open}))
                await registry.heartbeat(replace(self.record, sessions=sessions))
            except RegistryUnavailable:
                assert self.tolerant
            await asyncio.sleep(BEAT_S)


@asynccontextmanager
async def fake_worker(
    redis_url: str,
    behaviour: Behaviour = echo,
    worker_id: str = "worker-1",
    capacity: int = 4,
    models: tuple[ModelInfo, ...] = (MODEL,),
    degraded_capacity: int = 0,
) -> AsyncIterator[FakeWorker]:
    """A registered worker for the duration of a block."""
    worker: FakeWorker

    async def handle(connection: ServerConnection) -> None:
        visit = Visit(connection)
        worker.visits.append(visit)
        session = visit.query.get("session_id", [""])[0]
        worker.open.append(session)
        try:
            with suppress(ConnectionClosed):
                await behaviour(visit)
        finally:
            worker.open.remove(session)

    async with serve(handle, "127.0.0.1", 0, compression=None, close_timeout=1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        worker = FakeWorker(worker_id, port, capacity, models)
        worker.record = replace(worker.record, degraded_capacity=degraded_capacity)
        worker.server = server
        registry = Registry.connect(redis_url)
        await registry.heartbeat(worker.record)
        beating = asyncio.create_task(worker.beat(registry))
        try:
            yield worker
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await registry.close()
