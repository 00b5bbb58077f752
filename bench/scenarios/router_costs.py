"""Measures the CPU time that each kind of call of the session router takes in Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from bench.load.router_load import BATCH, Fleet, held_slot, session_id, worker_record
from bench.measure.figures import percentile
from broker.errors import NoCapacity
from broker.records import QueuePosition, SlotRequest
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.keys import PLAIN
from broker.store.scripts import Scripts

AT_ONCE: Final = 16  # Calls that wait together, as those of several gateways do.
DEADLINE_S: Final = 60.0  # Seconds of a call: nothing may fail because the machine is busy.
FOR_EVER: Final = 1e15  # A lease, in ms: nothing may run out.
MODELS: Final = ("fast", "accurate")
RENEWED: Final = 2_000  # Sessions whose leases one gateway renews.
WAITING_OF_ONE: Final = 10  # Sessions of one gateway that wait.


@dataclass(frozen=True, slots=True)
class CallCost:
    """What one kind of call costs: the CPU time of Redis, and how long its caller waits, in ms."""

    name: str
    calls: int
    redis_ms: float
    wait_p50: float | None
    wait_p99: float | None


class RouterCosts:
    """Calls one script after the other, from one process."""

    def __init__(self, server: Any, url: str, fleet: Fleet, calls: int) -> None:
        """`server` is a client of the Redis at `url`; each kind is called `calls` times."""
        self._server, self._fleet, self._calls = server, fleet, calls
        scripts = Scripts(url, DEADLINE_S)
        self._registries = [Registry(scripts) for _ in range(fleet.workers)]
        self._router = SessionRouter(scripts, BrokerSettings(redis_url=url, heartbeat_timeout=300))
        self._waiting = (f"q{number}" for number in count())

    async def measure(self, waiting: int) -> list[CallCost]:
        """The costs with free slots, and with none and so many sessions that wait."""
        with_slots = [await self._heartbeats("register", self._fleet.workers)]
        await self._hold(range(self._fleet.sessions))
        return [*with_slots, *(await self._with_free_slots()), *(await self._with_none(waiting))]

    async def _with_free_slots(self) -> list[CallCost]:
        router, running = self._router, [session_id(number) for number in range(RENEWED)]
        allocated = min(self._calls, (self._fleet.workers * self._fleet.slots - self._fleet.sessions) // 2)
        return [
            await self._heartbeats("heartbeat", self._calls),
            await self._cost("allocate", allocated, lambda n: router.allocate(f"a{n}", _request(n))),
            await self._cost("release", allocated, lambda n: router.release(f"a{n}", "ended", 1)),
            await self._cost(f"renew {RENEWED:,} leases", 3, lambda n: router.renew(running)),
            await self._cost("read all workers", 3, lambda n: router.workers()),
            await self._cost("sweep", 3, lambda n: router.sweep()),
        ]

    async def _with_none(self, waiting: int) -> list[CallCost]:
        free = range(self._fleet.sessions, self._fleet.workers * self._fleet.slots)
        await self._hold(free)
        await self._queue(waiting)
        names = [f"q{number}" for number in range(WAITING_OF_ONE)]
        return [
            await self._heartbeats("heartbeat, none free", self._calls),
            await self._cost("allocate, none free", self._calls, self._refused),
            await self._cost("wait", self._calls // 4, lambda n: self._router.keep_waiting(names)),
            await self._cost("a slot goes to the next one", self._calls // 2, self._turn, at_once=1),
        ]

    async def _heartbeats(self, name: str, calls: int) -> CallCost:
        async def send(number: int) -> None:
            number %= self._fleet.workers
            await self._registries[number].heartbeat(worker_record(self._fleet, number))

        return await self._cost(name, calls, send)

    async def _hold(self, numbers: Iterable[int]) -> None:
        for some in _parts(numbers):
            await self._router.restore(held_slot(self._fleet, number) for number in some)
        leases = self._server.zrange(PLAIN.leases, 0, -1)
        self._server.zadd(PLAIN.leases, dict.fromkeys(leases, FOR_EVER))

    async def _queue(self, number: int) -> None:
        for _ in range(number):
            name = next(self._waiting)
            found = await self._router.allocate(name, _request(int(name[1:]), overflow="queue"))
            assert isinstance(found, QueuePosition)
            self._server.zadd(PLAIN.queue_leases, {name: FOR_EVER})

    async def _refused(self, number: int) -> None:
        with suppress(NoCapacity):
            await self._router.allocate(f"n{number}", _request(number))

    async def _turn(self, number: int) -> None:
        """A session ends, the first one in the queue that fits takes its slot, and another one comes."""
        await self._router.release(session_id(number), "ended", 1)
        for name in self._server.zrange(PLAIN.queue, 0, 9):
            request = _request(int(name[1:]), overflow="queue")
            if not isinstance(await self._router.allocate(name.decode(), request), QueuePosition):
                break
        await self._queue(1)

    async def _cost(
        self, name: str, calls: int, call: Callable[[int], Awaitable[Any]], at_once: int = AT_ONCE
    ) -> CallCost:
        took, before = list[float](), self._cpu()

        async def timed(number: int) -> None:
            began = time.perf_counter()
            await call(number)
            took.append(1000 * (time.perf_counter() - began))

        for first in range(0, calls, at_once):
            await asyncio.gather(*(timed(number) for number in range(first, min(calls, first + at_once))))
        used = 1000 * (self._cpu() - before) / calls
        return CallCost(name, calls, round(used, 4), percentile(took, 50, 2), percentile(took, 99, 2))

    def _cpu(self) -> float:
        used = self._server.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    async def close(self) -> None:
        """Close the connections."""
        await self._router.close()


def _request(number: int, overflow: Any = "reject") -> SlotRequest:
    return SlotRequest(MODELS[number % len(MODELS)], overflow=overflow)


def _parts(numbers: Iterable[int]) -> Iterator[list[int]]:
    waiting = list(numbers)
    for first in range(0, len(waiting), BATCH):
        yield waiting[first : first + BATCH]
