"""Runs workers without any transcription, which register and answer gateways as real ones do.

`python -m bench.servers.fake_worker COUNT SLOTS` runs COUNT of them with SLOTS each in one process, at the
Redis of the settings.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvloop
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from broker.errors import RegistryUnavailable, WorkerIdTaken
from broker.records import WorkerRecord
from broker.registry import Registry
from dalston_realtime.protocol.models import ModelInfo
from runtime.logs import configure_logging
from runtime.process import Stop, run_main
from runtime.settings import Settings, raise_file_limit, read_settings
from runtime.worker_link import (
    VERSION,
    BadLinkMessage,
    OpenSession,
    SessionAccepted,
    SessionRefused,
    WorkerMessage,
    decode_open,
    encode,
)
from stages.receiver.registration import HeartbeatIntervals

PING_S: Final = 10.0  # Seconds between two pings, as in the receiver.
PONG_S: Final = 30.0  # Seconds to wait for the answer to a ping, as in the receiver.
PARTIAL_S: Final = 0.3  # Seconds of audio between two partials: the server's default.
NAME_FREE_S: Final = 60.0  # Seconds until a worker of the same name, which is gone, is known to be.
NAME_POLL_S: Final = 0.1  # Seconds between two tries to have its name.
FINAL_S: Final = 3.0  # Seconds of audio in an utterance, as people speak.
TEXT: Final = "some ten words of a text that nobody has said"
MODEL: Final = ModelInfo("fast", "tiny-en", "fake", ("en",), {"streaming": False, "interim_results": True})

Behaviour = Callable[["WorkerVisit"], Awaitable[None]]


class WorkerVisit:
    """One session that a gateway opened at the worker."""

    def __init__(self, connection: ServerConnection, request: OpenSession) -> None:
        assert connection.request is not None
        self.connection, self.request = connection, request
        self.path = urlsplit(connection.request.path).path
        self.received: list[bytes | str] = []

    @property
    def session_id(self) -> str:
        """The gateway's name for the session."""
        return self.request.session_id

    async def event(self, kind: str, **fields: Any) -> None:
        """Send the event, or the progress, of this type.

        Raises:
            msgspec.ValidationError: there is none with such fields.
        """
        message: WorkerMessage = msgspec.convert({"type": kind, **fields}, WorkerMessage)
        await self.connection.send(encode(message))

    async def begin(self) -> None:
        """Send `session.begin`."""
        await self.event("session.begin", session_id=self.session_id)


async def take_request(connection: ServerConnection) -> OpenSession | None:
    """The request in the first frame, after it was answered; None where it was refused."""
    try:
        request = decode_open(await connection.recv())
    except BadLinkMessage as error:
        await connection.send(encode(SessionRefused(version=VERSION, message=str(error))))
        return None
    await connection.send(encode(SessionAccepted(version=VERSION)))
    return request


def read_message(frame: str) -> dict[str, Any]:
    """The client's message; what is no JSON has the type None."""
    try:
        message: dict[str, Any] = json.loads(frame)
    except ValueError:
        return {"type": None}
    return message


async def echo(visit: WorkerVisit) -> None:
    """Send a partial for each audio frame, a final for each flush, and the end when asked."""
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


async def answer_like_speech(visit: WorkerVisit) -> None:
    """Send what a session of speech brings: a partial for each 300 ms of audio, a final for each 3 s."""
    await visit.begin()
    utterance, begun, received, last_partial = 1, 0.0, 0.0, 0.0
    async for frame in visit.connection:
        visit.received = [frame]
        if isinstance(frame, str):
            if read_message(frame)["type"] == "end":
                await visit.event("session.end", audio_duration=received, transcript="", segments=[])
                return
            continue
        received += len(frame) / 32_000
        if received - begun >= FINAL_S:
            times = {"start": begun, "end": received}
            await visit.event("transcript.final", utterance=utterance, text=TEXT, **times)
            utterance, begun, last_partial = utterance + 1, received, received
        elif received - last_partial >= PARTIAL_S:
            last_partial = received
            times = {"start": begun, "end": received}
            await visit.event("transcript.partial", utterance=utterance, text=TEXT, **times)
            await visit.event("progress", processed=received)


class FakeWorker:
    """A worker that is registered; `visits` are all its sessions, `open` the ids of the open ones."""

    def __init__(self, worker_id: str, port: int, capacity: int, models: tuple[ModelInfo, ...]) -> None:
        self.record = WorkerRecord(worker_id, f"ws://127.0.0.1:{port}", capacity, models)
        self.visits: list[WorkerVisit] = []
        self.open: list[str] = []
        self.server: Server

    async def register(self, registry: Registry) -> None:
        """Send the first heartbeat, once a worker of this name that was there before is known to be gone.

        Raises:
            TimeoutError: it lives.
        """
        async with asyncio.timeout(NAME_FREE_S):
            while True:
                with suppress(WorkerIdTaken):
                    await registry.heartbeat(self.record)
                    return
                await asyncio.sleep(NAME_POLL_S)

    async def run_heartbeat(self, registry: Registry, interval: float) -> None:
        """Send heartbeats until cancelled, whether Redis is there or not."""
        while True:
            sessions = tuple(sorted(set(self.open)))
            with suppress(RegistryUnavailable):
                await registry.heartbeat(replace(self.record, sessions=sessions))
            await asyncio.sleep(interval)

    async def serve(self, visit: WorkerVisit, behaviour: Behaviour) -> None:
        """Serve a session."""
        self.visits.append(visit)
        self.open.append(visit.session_id)
        try:
            await behaviour(visit)
        finally:
            self.open.remove(visit.session_id)


@asynccontextmanager
async def fake_worker(
    redis_url: str,
    behaviour: Behaviour = echo,
    worker_id: str = "worker-1",
    capacity: int = 4,
    models: tuple[ModelInfo, ...] = (MODEL,),
    degraded_capacity: int = 0,
    beat: float = HeartbeatIntervals().registered,
) -> AsyncIterator[FakeWorker]:
    """Run a registered worker for the duration of a block; it sends a heartbeat every `beat` seconds."""
    worker: FakeWorker

    async def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            request = await take_request(connection)
            if request is not None:
                await worker.serve(WorkerVisit(connection, request), behaviour)

    async with serve(
        handle, "127.0.0.1", 0, compression=None, close_timeout=1, ping_interval=PING_S, ping_timeout=PONG_S
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        worker = FakeWorker(worker_id, port, capacity, models)
        worker.record = replace(worker.record, degraded_capacity=degraded_capacity)
        worker.server = server
        registry = Registry.connect(redis_url)
        try:
            await worker.register(registry)
            beating = asyncio.create_task(worker.run_heartbeat(registry, beat))
            try:
                yield worker
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
        finally:
            await registry.close()


def main() -> None:
    """Run the workers until a signal stops the process."""
    stop = Stop()
    settings = read_settings(Settings)
    configure_logging("workers", settings.log_level, settings.log_format)
    raise_file_limit()
    count, slots = map(int, sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run_workers(settings.redis, count, slots, stop))


async def _run_workers(redis_url: str, count: int, slots: int, stop: Stop) -> None:
    async with AsyncExitStack() as workers:
        for number in range(count):
            one = fake_worker(redis_url, answer_like_speech, f"worker-{number + 1}", slots)
            await workers.enter_async_context(one)
        await stop.wait(asyncio.get_running_loop().create_future())


if __name__ == "__main__":
    run_main("workers", main)
