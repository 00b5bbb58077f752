"""Tests that a Redis that can't answer is one error within a deadline, and that calls may be cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broker.errors import RegistryUnavailable
from broker.records import SlotRequest
from broker.store.scripts import Scripts
from tests.support.broker_ends import RECORD, BrokerEnds, on_redis
from tests.support.gateway_process import run
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer

ANSWER_S = (
    3.0  # Seconds of a call until it is given up, three times those of a server: a machine may be busy.
)


@asynccontextmanager
async def away(redis: RedisServer, how: str) -> AsyncIterator[None]:
    """Redis killed, or hanging, for the duration of a block."""
    redis.stop() if how == "killed" else redis.pause()
    yield
    redis.start() if how == "killed" else redis.go_on()


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_trouble_with_redis_is_one_error_within_a_deadline(own_redis: RedisServer, how: str) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        async with away(own_redis, how):
            async with asyncio.timeout(3 * ANSWER_S):
                outcomes = await asyncio.gather(
                    *(it.router.allocate(f"s{n}", SlotRequest()) for n in range(40)),
                    it.registry.heartbeat(RECORD),
                    it.router.workers(),
                    return_exceptions=True,
                )
            assert {type(outcome) for outcome in outcomes} == {RegistryUnavailable}
            assert not it.router.available
        await it.registry.heartbeat(RECORD)
        await asyncio.gather(*(it.router.release(f"s{n}", "error", 0) for n in range(40)))
        assert it.router.available
        worker = await it.worker()
        assert worker is not None
        assert (worker.status, worker.active_sessions) == ("ready", 0)

    on_redis(main, own_redis, ANSWER_S)


def test_a_redis_that_takes_no_writes_is_unavailable(own_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        with own_redis.client() as admin:
            admin.config_set("maxmemory", "1")
        with pytest.raises(RegistryUnavailable, match="it is full"):
            await it.router.allocate("s", SlotRequest())

    on_redis(main, own_redis)


def test_a_call_can_be_cancelled_at_any_moment(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        async def send_heartbeats() -> None:
            while True:
                await it.registry.heartbeat(RECORD)

        for number in range(200):
            heartbeats = asyncio.create_task(send_heartbeats())
            for _ in range(number % 40):
                await asyncio.sleep(0)
            heartbeats.cancel()
            await asyncio.wait([heartbeats])
            assert heartbeats.cancelled()

    on_redis(main, any_redis)


def test_a_waiting_call_that_is_cancelled_keeps_no_other_waiting(shared_redis: RedisServer) -> None:
    async def main() -> None:
        scripts = Scripts(shared_redis.url, DEADLINE_S / 2, connections=1)
        for number in range(100):
            first, second, third = (asyncio.create_task(scripts.run("sessions")) for _ in range(3))
            while not first.done():
                await asyncio.sleep(0)
            for _ in range(number % 5):
                await asyncio.sleep(0)
            second.cancel()
            assert await third == []
            await asyncio.wait([second])
        await scripts.close()

    run(main())
