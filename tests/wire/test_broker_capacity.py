"""Tests that as many sessions are allocated as there are slots, also when a worker's capacity shrinks."""

import asyncio
from dataclasses import replace

import pytest

from broker.errors import NoCapacity
from broker.records import Allocation, SlotRequest, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from dalston_realtime.protocol.models import ModelInfo
from tests.support.broker_ends import BrokerEnds, on_redis
from tests.support.gateway_process import run
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer

MODEL = ModelInfo("fast", "tiny-en", "fake", ("en",), {})
FULL = WorkerRecord("w", "ws://127.0.0.1:1", 4, (MODEL,), degraded_capacity=6)


def test_a_capacity_that_shrinks_ends_no_session_and_lets_no_more_in(shared_redis: RedisServer) -> None:
    async def main() -> None:
        registry = Registry.connect(shared_redis.url)
        router = SessionRouter.connect(BrokerSettings(redis_url=shared_redis.url))
        await registry.heartbeat(FULL)
        for name in ("a", "b", "c"):
            assert isinstance(await router.allocate(name, SlotRequest()), Allocation)
        await registry.heartbeat(replace(FULL, capacity=2, degraded_capacity=2))
        (worker,) = await router.workers()
        assert (worker.status, worker.capacity, worker.active_sessions, worker.free) == ("busy", 2, 3, 0)
        for overflow in ("reject", "degrade"):
            with pytest.raises(NoCapacity):
                await router.allocate("d", SlotRequest(overflow=overflow))
        for name in ("a", "b"):
            await router.release(name, "ended", 1.0)
        assert isinstance(await router.allocate("d", SlotRequest()), Allocation)
        with pytest.raises(NoCapacity):
            await router.allocate("e", SlotRequest())
        await registry.close()
        await router.close()

    run(main())


def test_many_at_once_get_exactly_the_slots_there_are(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        other = BrokerEnds(any_redis.url)
        for number in range(5):
            await it.registry.heartbeat(replace(FULL, worker_id=f"w{number}", capacity=7))

        async def ask(number: int) -> str | None:
            router = (it if number % 2 else other).router
            try:
                slot = await router.allocate(f"s{number}", SlotRequest())
            except NoCapacity:
                return None
            assert isinstance(slot, Allocation)
            return slot.worker_id

        given = [slot for slot in await asyncio.gather(*map(ask, range(100))) if slot]
        assert sorted(given) == sorted(f"w{n}" for n in range(5) for _ in range(7))
        sessions = await it.router.sessions()
        await asyncio.gather(*(other.router.release(s, "ended", 0) for s in [*sessions] * 2))
        assert [w.active_sessions for w in await it.router.workers()] == [0] * 5
        await other.close()

    on_redis(main, any_redis)
