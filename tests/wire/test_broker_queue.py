"""Tests on a real Redis that a slot that comes free wakes those that it is for, in order, and nobody else."""

import asyncio
from collections.abc import Awaitable, Callable

from broker.records import Allocation, QueuePosition, SlotRequest, WorkerRecord
from broker.store.announcements import ListenerConnected, SlotsChanged, announcements
from tests.support.broker_ends import LARGE, TINY, BrokerEnds, on_redis
from tests.support.redis_cluster import AnyRedis

FAST = SlotRequest("fast", "en", overflow="queue")
ACCURATE = SlotRequest("accurate", "en", overflow="queue")
RUNNING = SlotRequest("fast", "en", overflow="queue", first=True)


def small(slots: int) -> WorkerRecord:
    """A worker that has the small model alone."""
    return WorkerRecord("w1", "ws://127.0.0.1:9000", slots, (TINY,))


class SlotNews:
    """What a gateway hears of slots."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []
        self.connected = asyncio.Event()
        self.changed = asyncio.Condition()

    async def listen(self, url: str) -> None:
        """Listen until cancelled."""
        async for announcement in announcements(url):
            if isinstance(announcement, ListenerConnected):
                self.connected.set()
            if isinstance(announcement, SlotsChanged):
                async with self.changed:
                    self.said.append(announcement.sessions)
                    self.changed.notify_all()

    async def next(self) -> tuple[str, ...]:
        """The next sessions that are named."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: bool(self.said))
            return self.said.pop(0)


def hearing(test: Callable[[BrokerEnds, SlotNews], Awaitable[None]], redis: AnyRedis) -> None:
    """Run a test with a gateway that listens."""

    async def main(it: BrokerEnds) -> None:
        heard = SlotNews()
        listening = asyncio.create_task(heard.listen(redis.url))
        async with asyncio.timeout(5):
            await heard.connected.wait()
        await test(it, heard)
        listening.cancel()
        await asyncio.wait([listening])

    on_redis(main, redis)


async def queue(it: BrokerEnds, *sessions: str, request: SlotRequest = FAST) -> None:
    """Have sessions wait."""
    for session in sessions:
        assert isinstance(await it.router.allocate(session, request), QueuePosition)


def test_a_slot_wakes_the_first_in_the_queue_alone(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds, heard: SlotNews) -> None:
        await it.registry.heartbeat(small(2))
        for session in ("a", "b"):
            await it.allocate(session, FAST)
        await queue(it, "c", "d", "e")
        await it.registry.heartbeat(small(2))  # No slot is free, so nobody is woken.
        await it.router.release("a", "ended", 1.0)
        assert await heard.next() == ("c",)
        await it.allocate("c", FAST)
        assert isinstance(await it.router.allocate("e", FAST), QueuePosition)
        await it.registry.heartbeat(small(4))
        assert await heard.next() == ("d", "e")
        assert heard.said == []

    hearing(main, any_redis)


def test_only_those_are_woken_whose_model_has_a_slot(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds, heard: SlotNews) -> None:
        await it.registry.heartbeat(small(1))
        await it.allocate("a", FAST)
        await queue(it, "large", request=ACCURATE)
        await queue(it, "fast")
        await it.router.release("a", "ended", 1.0)
        assert await heard.next() == ("fast",)
        await it.allocate("fast", FAST)
        await it.registry.heartbeat(WorkerRecord("w1", "ws://127.0.0.1:9000", 2, (TINY, LARGE)))
        assert await heard.next() == ("large",)

    hearing(main, any_redis)


def test_a_session_that_runs_is_woken_before_those_that_wait(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds, heard: SlotNews) -> None:
        await it.registry.heartbeat(small(1))
        await it.allocate("a", FAST)
        await queue(it, "newcomer")
        await queue(it, "running", request=RUNNING)
        await it.router.release("a", "ended", 1.0)
        assert await heard.next() == ("running",)

    hearing(main, any_redis)


def test_whose_gateway_died_before_it_took_its_slot_holds_the_others_up_for_its_lease_only(
    any_redis: AnyRedis,
) -> None:
    async def main(it: BrokerEnds, heard: SlotNews) -> None:
        await it.registry.heartbeat(small(1))
        await it.allocate("a", FAST)
        await queue(it, "dead", "alive")
        await it.router.release("a", "ended", 1.0)
        assert await heard.next() == ("dead",)  # It never asks.
        assert (await it.router.keep_waiting(["alive"]))["alive"] == QueuePosition(2, None)
        with any_redis.client() as look:
            look.zadd(any_redis.keys.queue_leases, {"dead": 1})
        assert (await it.router.keep_waiting(["alive"]))["alive"] == QueuePosition(1, None, has_slot=True)
        assert await heard.next() == ("alive",)
        assert isinstance(await it.router.allocate("alive", FAST), Allocation)

    hearing(main, any_redis)


def test_a_sweep_that_drops_a_position_wakes_who_comes_next(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds, heard: SlotNews) -> None:
        await queue(it, "dead", "alive")
        await it.registry.heartbeat(small(1))
        assert await heard.next() == ("dead",)
        with any_redis.client() as look:
            look.zadd(any_redis.keys.queue_leases, {"dead": 1})
        await it.router.sweep()
        assert await heard.next() == ("alive",)

    hearing(main, any_redis)


def test_positions_are_kept_by_one_call_for_all_and_lapse_without_it(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(small(1))
        await it.allocate("a", FAST)
        await queue(it, "b", "c")
        await queue(it, "d", request=ACCURATE)
        with any_redis.client() as look:
            for session in "bcd":
                look.zadd(any_redis.keys.queue_leases, {session: 1e15})
            kept = await it.router.keep_waiting(["d", "unknown", "c"])
            assert {name: (at.position, at.is_served) for name, at in kept.items()} == {
                "c": (2, True),
                "d": (3, False),
            }
            leases = dict(look.zrange(any_redis.keys.queue_leases, 0, -1, withscores=True))
            assert leases["b"] == 1e15 > leases["c"] == leases["d"]

    on_redis(main, any_redis)
