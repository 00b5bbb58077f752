"""Plays many workers, or many gateways, to the session router: thousands of them in one process.

`python -m bench.load.router_load URL PART` has a `Fleet`, as JSON, in PART. It writes `ready`, then answers
each line of its input, which names what to do, with one line of JSON.
"""

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import orjson
import uvloop

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation, HeldSlot, QueuePosition, SlotRequest, WorkerRecord, utc_now
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.scripts import Scripts
from dalston_realtime.protocol.models import ModelInfo
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.announcements import WorkerLost, listen
from gateway.capacity.directory import WorkerDirectory
from gateway.capacity.slots import SlotManager
from gateway.metrics import GatewayMetrics
from runtime.logs import configure_logging
from runtime.settings import raise_file_limit

HEARTBEAT_S: Final = 1.0  # Seconds between two heartbeats of a worker, as in the receiver.
RENEW_S: Final = 2.5  # Seconds between two renewals of leases, as in the gateway.
DEADLINE_S: Final = 10.0  # Seconds of a call: longer than a gateway's, so that what is slow is measured.
BATCH: Final = 50  # Sessions whose slots are written in one call before anything is measured.
LANGUAGES: Final = (
    "ar", "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it", "lt", "lv", "mt",
    "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv",
)  # fmt: skip
FEATURES: Final = {"streaming": True, "interim_results": True, "word_timestamps": True, "vocabulary": False}
FAST: Final = ModelInfo("fast", "parakeet-en-0.6b", "parakeet", ("en",), FEATURES)
ACCURATE: Final = ModelInfo("accurate", "parakeet-tdt-0.6b-v3", "parakeet", LANGUAGES, FEATURES)
LOADED: Final = ((FAST,), (ACCURATE,), (FAST, ACCURATE))  # What every third worker has.


@dataclass(frozen=True, slots=True)
class Fleet:
    """A part of the load: workers and gateways from one number up to another, and the sessions that run.

    Every worker has `slots` slots; the sessions lie on the `workers` workers in turns.
    """

    kind: str
    first: int
    last: int
    workers: int
    slots: int
    sessions: int
    gateways: int

    def worker_of(self, session: int) -> int:
        """The number of the worker that has a session."""
        return session % self.workers

    def sessions_of_worker(self, number: int) -> range:
        """The numbers of the sessions of a worker."""
        return range(number, self.sessions, self.workers)

    def sessions_of_gateway(self, number: int) -> range:
        """The numbers of the sessions of a gateway."""
        return range(number, self.sessions, self.gateways)


def worker_id(number: int) -> str:
    """The name of a worker."""
    return f"worker-{number:05d}"


def session_id(number: int) -> str:
    """The name of a session that runs from the beginning."""
    return f"{number:032x}"


def worker_record(fleet: Fleet, number: int) -> WorkerRecord:
    """What a worker says of itself in each heartbeat: its sessions stay, its lag moves."""
    return WorkerRecord(
        worker_id(number),
        f"ws://10.{number >> 8 & 255}.{number & 255}.1:9000",
        fleet.slots,
        LOADED[number % len(LOADED)],
        lag=random.random() / 5,  # noqa: S311 - no secret
        degraded_capacity=fleet.slots + fleet.slots // 4,
        sessions=tuple(map(session_id, fleet.sessions_of_worker(number))),
        gpu_memory_used="21.4GB",
        gpu_memory_total="80.0GB",
        devices=(f"GPU-{number:08x}-5f2a-4d2e-9c1b-000000000000",),
    )


class SimulatedWorkers:
    """The heartbeats of some workers, spread over each second."""

    def __init__(self, url: str, fleet: Fleet) -> None:
        self._scripts, self._fleet = Scripts(url, DEADLINE_S), fleet
        self._registries = {number: Registry(self._scripts) for number in range(fleet.first, fleet.last)}
        self.sent = self.failed = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Register all of them."""
        for number in self._registries:
            await self._send(number)
        self._tasks.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        apart = HEARTBEAT_S / max(1, len(self._registries))
        due = time.monotonic()
        while True:
            for number in self._registries:
                due += apart
                if (early := due - time.monotonic()) > 0.002:
                    await asyncio.sleep(early)
                task = asyncio.create_task(self._send(number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            due = max(due, time.monotonic() - HEARTBEAT_S)

    async def _send(self, number: int) -> None:
        try:
            await self._registries[number].heartbeat(worker_record(self._fleet, number))
            self.sent += 1
        except RegistryUnavailable:
            self.failed += 1

    async def handle(self, _: dict[str, Any]) -> dict[str, Any]:
        """How many heartbeats were sent and how many failed since the last time."""
        answer = {"heartbeats": self.sent, "failed": self.failed}
        self.sent = self.failed = 0
        return answer


class TimedRouter(SessionRouter):
    """A router that notes what each allocation took, in ms."""

    def __init__(self, scripts: Scripts, settings: BrokerSettings) -> None:
        super().__init__(scripts, settings)
        self.took: list[float] = []

    async def allocate(
        self, session_id: str, request: SlotRequest, avoid: Collection[str] = ()
    ) -> Allocation | QueuePosition:
        """The same, timed."""
        began = time.perf_counter()
        try:
            return await super().allocate(session_id, request, avoid)
        finally:
            self.took.append(1000 * (time.perf_counter() - began))


@dataclass
class SimulatedGateway:
    """One gateway: its sessions, the slots of which it renews, and those that come and go."""

    url: str
    fleet: Fleet
    number: int
    waiting: int = 0
    refused: int = 0
    failed: int = 0
    held: deque[str] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._begun = 0
        settings = BrokerSettings(redis_url=self.url)
        self.router = TimedRouter(Scripts(self.url, DEADLINE_S), settings)
        self.slots = SlotManager(self.router, GatewayMetrics(), "queue")
        self.directory = WorkerDirectory(self.router, time.monotonic)
        self.running: set[str] = set()  # Sessions from the beginning, whose leases are renewed here.

    async def start(self, tasks: set[asyncio.Task[None]]) -> None:
        """Write the slots of its sessions, and begin to renew them."""
        mine = self.fleet.sessions_of_gateway(self.number)
        for at in range(0, len(mine), BATCH):
            await self.router.restore(held_slot(self.fleet, number) for number in mine[at : at + BATCH])
        self.held.extend(map(session_id, mine))
        self.running.update(self.held)
        for each in (
            self.slots.run(),
            self._renew(),
            listen(self.url, self.router, WorkerLost(), self.slots.queue.on_slots_changed),
        ):
            tasks.add(asyncio.create_task(each))

    async def _renew(self) -> None:
        await asyncio.sleep(RENEW_S * random.random())  # noqa: S311 - no secret
        while True:
            with suppress(RegistryUnavailable):
                await self.router.renew(self.running)
            await asyncio.sleep(RENEW_S)

    async def begin_session(self) -> None:
        """One more client: it is admitted, waits where it must, and holds a slot then."""
        self._begun += 1
        new = f"f{self.number:07x}{self._begun:024x}"
        config = SessionConfig(model=("fast", "accurate")[self._begun % 2])
        self.waiting += 1
        try:
            await self.directory.get()
            await self.slots.allocate(new, config)
            self.held.append(new)
        except NoCapacity:
            self.refused += 1
        except RegistryUnavailable:
            self.failed += 1
            self.slots.release(new, "error", 0)
        finally:
            self.waiting -= 1

    def end_session(self) -> None:
        """End the session that runs for the longest time."""
        if self.held:
            ended = self.held.popleft()
            self.running.discard(ended)
            self.slots.release(ended, "ended", 60.0)


class SimulatedGateways:
    """Some gateways, at which sessions begin and end."""

    def __init__(self, url: str, fleet: Fleet) -> None:
        self._gateways = [SimulatedGateway(url, fleet, number) for number in range(fleet.first, fleet.last)]
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bring the sessions in that run from the beginning."""
        for gateway in self._gateways:
            await gateway.start(self._tasks)

    async def handle(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin `rate` sessions a second for `seconds`, while `waiting` wait; what each took, in ms."""
        for gateway in self._gateways:
            gateway.refused = gateway.failed = 0
            gateway.router.took.clear()
        began, due = time.monotonic(), time.monotonic()
        rate, turns = asked["rate"], cycle(self._gateways)
        while rate and time.monotonic() - began < asked["seconds"]:
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if sum(each.waiting for each in self._gateways) >= asked["waiting"]:
                next(turns).end_session()
            self._begin(next(turns))
        if not rate:
            await asyncio.sleep(asked["seconds"])
        return {
            "took": [took for gateway in self._gateways for took in gateway.router.took],
            "refused": sum(each.refused for each in self._gateways),
            "failed": sum(each.failed for each in self._gateways),
            "waiting": sum(each.waiting for each in self._gateways),
        }

    def _begin(self, gateway: SimulatedGateway) -> None:
        task = asyncio.create_task(gateway.begin_session())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def held_slot(fleet: Fleet, number: int) -> HeldSlot:
    """The slot of a session that runs from the beginning."""
    worker = fleet.worker_of(number)
    model = LOADED[worker % len(LOADED)][0]
    slot = Allocation(worker_id(worker), "", model.name, model.variant)
    return HeldSlot(session_id(number), SlotRequest(model.variant), slot, utc_now(), 60.0)


async def _run(url: str, fleet: Fleet) -> None:
    part = SimulatedWorkers(url, fleet) if fleet.kind == "workers" else SimulatedGateways(url, fleet)
    await part.start()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await part.handle(orjson.loads(line))
        print(orjson.dumps(answer).decode(), flush=True)


def main() -> None:
    """Play one part until the input ends."""
    url, part = sys.argv[1:]
    configure_logging("load", "warning", "text")  # To stderr: the answers go to stdout.
    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(url, Fleet(**orjson.loads(part))))


if __name__ == "__main__":
    main()
