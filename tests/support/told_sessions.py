"""Speaks in sessions of a gateway, and notes what each of them was told and when."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.gateway_process import Client, GatewayProcess, client, until
from tests.support.system_sessions import paced
from tests.support.worker_process import WorkerProcess

BUSY = "processing_lag"  # What is said of a machine that is busy, and not of its engine.
RESULTS = ("transcript.partial", "transcript.final")


@dataclass
class Told:
    """What one session was told: codes, when results came (seconds), finals, and the transcript."""

    codes: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    transcript: str = ""

    @property
    def longest_pause(self) -> float:
        """Seconds without a result."""
        return max((b - a for a, b in pairwise(self.times)), default=0.0)


async def speak(me: Client, pcm: bytes, speed: float = 1.0) -> None:
    """Say it `speed` times as fast as people speak, and the end."""
    async for chunk in paced(pcm, speed):
        await me.send(chunk)
    await me.send({"type": "end"})


async def listen(me: Client, pcm: bytes, speed: float = 1.0) -> Told:
    """Say it, and note what is told until the session is over."""
    told = Told()
    speaking = asyncio.create_task(speak(me, pcm, speed))
    while True:
        event = await me.event()
        if event["type"] in RESULTS:
            told.times.append(time.monotonic())
        if event["type"] == "transcript.final":
            told.finals.append(event["text"])
        if event.get("code", BUSY) != BUSY:
            told.codes.append(event["code"])
        if event["type"] == "session.end" or event.get("recoverable") is False:
            told.transcript = event.get("transcript", "")
            await speaking
            return told


def status(gateway: GatewayProcess, worker: WorkerProcess) -> str:
    """The state of a worker, as a gateway says."""
    workers = gateway.get("/v1/realtime/workers").json()["workers"]
    return next((str(w["status"]) for w in workers if w["worker_id"] == worker.worker_id), "")


async def wait_for(gateway: GatewayProcess, worker: WorkerProcess, *expected: str) -> None:
    """Wait for one of these states."""

    async def is_so() -> bool:
        return await asyncio.to_thread(status, gateway, worker) in expected

    await until(is_so)


@asynccontextmanager
async def begun(gateway: GatewayProcess, count: int) -> AsyncIterator[list[Client]]:
    """So many sessions, which have begun."""
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(client(gateway)) for _ in range(count)]
        for me in sessions:
            await me.event("session.begin")
        yield sessions


async def play(pcm: bytes, sessions: list[Client], speed: float = 1.0) -> list[Told]:
    """All sessions say the same at once."""
    return await asyncio.gather(*(listen(me, pcm, speed) for me in sessions))
