"""Tests that a lost worker is announced to the gateways by a real Redis, also when the connection is lost."""

import asyncio

from broker.errors import RegistryUnavailable
from broker.records import WorkerRecord
from dalston_realtime.protocol.models import ModelInfo
from gateway.capacity.announcements import WorkerLost, listen
from tests.support.broker_ends import BrokerEnds, on_redis
from tests.support.gateway_process import until
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer

RECORD = WorkerRecord("w1", "ws://x", 1, (ModelInfo("fast", "tiny", "fake", ("en",), {}),))


def test_a_worker_that_is_gone_is_announced_at_once_and_after_a_loss_of_redis(own_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        lost, told, connected = WorkerLost(), asyncio.Event(), asyncio.Event()
        lost.subscribe("w1", told.set)
        listening = asyncio.create_task(listen(own_redis.url, it.router, lost, lambda _: connected.set()))
        async with asyncio.timeout(DEADLINE_S):
            await connected.wait()
        await it.registry.heartbeat(RECORD)
        assert await it.registry.offline("w1")
        async with asyncio.timeout(DEADLINE_S):
            await told.wait()
        told.clear()
        await it.registry.heartbeat(RECORD)
        own_redis.stop()
        own_redis.start()
        await until(lambda: _said(it))  # before it listens again, or after
        async with asyncio.timeout(DEADLINE_S):
            await told.wait()
        listening.cancel()
        await asyncio.wait([listening])

    on_redis(main, own_redis)


async def _said(it: BrokerEnds) -> bool:
    try:
        return await it.registry.offline("w1")
    except RegistryUnavailable:
        return False
