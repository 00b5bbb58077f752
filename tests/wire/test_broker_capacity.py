"""A device that runs out of memory: what its worker then says is what the router goes by."""

from dataclasses import replace

import pytest

from broker.errors import NoCapacity
from broker.records import Allocation, SlotRequest, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from dalston_realtime.protocol.models import ModelInfo
from tests.support.gateway_process import run
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
