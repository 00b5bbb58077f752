"""Starts the benchmark's workers without transcription for tests, where they beat more often."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from websockets.asyncio.server import ServerConnection, serve

from bench.servers.fake_worker import MODEL, FakeWorker, WorkerVisit, echo, read_message
from bench.servers.fake_worker import fake_worker as worker
from broker.registry import Registry

__all__ = ["MODEL", "FakeWorker", "WorkerVisit", "echo", "fake_worker", "read_message", "strange_worker"]

BEAT_S: Final = 0.2

fake_worker = partial(worker, beat=BEAT_S)


@asynccontextmanager
async def strange_worker(
    redis_url: str, handler: Callable[[ServerConnection], Awaitable[None]], capacity: int = 4
) -> AsyncIterator[FakeWorker]:
    """A registered worker that does not speak the link, but does this with a connection."""
    async with serve(handler, "127.0.0.1", 0, compression=None, close_timeout=1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        strange = FakeWorker("strange", port, capacity, (MODEL,))
        registry = Registry.connect(redis_url)
        await registry.heartbeat(strange.record)
        beating = asyncio.create_task(strange.run_heartbeat(registry, BEAT_S))
        try:
            yield strange
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await registry.close()
