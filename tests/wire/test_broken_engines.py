"""Real workers whose engine hangs, fails or runs out of memory while people speak: no word is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, process, run, until
from tests.support.redis_fixture import RedisServer
from tests.support.speech import samples
from tests.support.system_sessions import FULL_SPEED, paced
from tests.support.words import compare
from tests.support.worker_process import WorkerProcess, worker_process

SPEECH = slice(16_000, 18 * 16_000)
HEALTHY = "fast=moonshine:tiny-en"
RESULTS = ("transcript.partial", "transcript.final")
MOVED_S = 3.0  # Seconds in which the sessions of a pass that hangs are served again.
BUSY = "processing_lag"  # What is said of a machine that is busy, and not of its engine.
MARGIN_S = 1.0  # Seconds of a pause in speech, and of a machine that is busy.


@dataclass
class Told:
    """What one session was told: codes, when results came (seconds), and the transcript."""

    codes: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    transcript: str = ""

    @property
    def longest_pause(self) -> float:
        return max((b - a for a, b in pairwise(self.times)), default=0.0)


async def speak(me: Client, pcm: bytes, speed: float) -> None:
    async for chunk in paced(pcm, speed):
        await me.send(chunk)
    await me.send({"type": "end"})


async def listen(me: Client, pcm: bytes, speed: float) -> Told:
    told = Told()
    speaking = asyncio.create_task(speak(me, pcm, speed))
    while True:
        event = await me.event()
        if event["type"] in RESULTS:
            told.times.append(time.monotonic())
        if event.get("code", BUSY) != BUSY:
            told.codes.append(event["code"])
        if event["type"] in ("session.end", "error"):
            told.transcript = event.get("transcript", "")
            await speaking
            return told


@pytest.fixture
def server(own_redis: RedisServer) -> Iterator[tuple[RedisServer, GatewayProcess]]:
    """A gateway and a broker on a Redis of their own, without a worker."""
    with ExitStack() as stack:
        stack.enter_context(process("broker", redis_url=own_redis.url))
        yield own_redis, stack.enter_context(gateway_process(own_redis.url, heartbeat_timeout="5"))


def status(gateway: GatewayProcess, worker: WorkerProcess) -> str:
    workers = gateway.get("/v1/realtime/workers").json()["workers"]
    return next((str(w["status"]) for w in workers if w["worker_id"] == worker.worker_id), "")


async def wait_for(gateway: GatewayProcess, worker: WorkerProcess, *expected: str) -> None:
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


@pytest.mark.parametrize("fault", ["hang:15", "raise:15"])
def test_sessions_of_a_broken_engine_move_and_lose_no_word(
    server: tuple[RedisServer, GatewayProcess], fault: str
) -> None:
    redis, gateway = server
    pcm = samples("two_cities.wav")[SPEECH].tobytes()
    with ExitStack() as stack:
        broken = stack.enter_context(
            worker_process(redis.url, models=f"fast=faulty:{fault}:moonshine:tiny-en")
        )

        async def main() -> tuple[list[Told], Told]:
            await wait_for(gateway, broken, "ready")
            async with begun(gateway, 2) as sessions:
                healthy = await asyncio.to_thread(
                    stack.enter_context, worker_process(redis.url, models=HEALTHY)
                )
                await wait_for(gateway, healthy, "ready")
                told = await play(pcm, sessions)
            await wait_for(gateway, broken, "offline")
            async with begun(gateway, 1) as sessions:
                return told, (await play(pcm, sessions, FULL_SPEED))[0]

        told, reference = run(main(), 120)
        for each in told:
            found = compare(reference.transcript, each.transcript)
            assert found.lost + found.doubled == 0, (found.passages, broken.logs())
            assert each.codes == ["worker_lost"]
            assert each.longest_pause < MOVED_S + MARGIN_S
        assert reference.codes == []


def test_a_device_without_memory_for_two_serves_all_of_its_sessions(
    server: tuple[RedisServer, GatewayProcess],
) -> None:
    redis, gateway = server
    pcm = samples("two_cities.wav")[SPEECH].tobytes()
    with worker_process(redis.url, models="fast=faulty:memory:1:moonshine:tiny-en") as full:

        async def main() -> tuple[list[Told], Told]:
            await wait_for(gateway, full, "ready")
            async with begun(gateway, 1) as sessions:
                (reference,) = await play(pcm, sessions, FULL_SPEED)
            async with begun(gateway, 3) as sessions:
                return await play(pcm, sessions, FULL_SPEED), reference

        told, reference = run(main(), 120)
        assert [compare(reference.transcript, each.transcript).lost for each in told] == [0, 0, 0]
        assert all(each.codes == [] for each in told)
        (worker,) = gateway.get("/v1/realtime/workers").json()["workers"]
        assert worker["capacity"] == 4
        assert "out of memory: fewer sessions in a step" in full.logs()
