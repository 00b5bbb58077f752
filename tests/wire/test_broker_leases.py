"""Tests leases of slots: renewed, run out, and written again into a Redis that lost its data."""

import asyncio
import signal
from dataclasses import replace

from broker.records import Allocation, HeldSlot, SlotRequest, WorkerRecord
from broker.router import SweepResult
from dalston_realtime.protocol.models import ModelInfo
from tests.support.broker_ends import BrokerEnds, on_redis
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import client, gateway_process, process, run, until
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer

RECORD = WorkerRecord("w1", "ws://x", 2, (ModelInfo("fast", "tiny", "fake", ("en",), {}),))
SLOT = Allocation("w1", "ws://x", "tiny", "fast")


def held(session_id: str) -> HeldSlot:
    """A session that its gateway knows to run on w1."""
    return HeldSlot(session_id, SlotRequest(), SLOT, "2025-01-28T12:00:00Z", 60.0)


def expire(redis: AnyRedis, *sessions: str) -> None:
    """Let leases have run out long ago."""
    with redis.client() as look:
        look.hset(redis.keys.availability, "since", 1)
        look.zadd(redis.keys.leases, dict.fromkeys(sessions, 1))


def test_a_lease_that_ran_out_frees_the_slot_for_the_next_one(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        for session in ("s1", "s2"):
            await it.router.allocate(session, SlotRequest())
        expire(any_redis, "s1")
        assert (await it.router.allocate("s3", SlotRequest())) == SLOT
        assert set(await it.router.sessions()) == {"s2", "s3"}
        with any_redis.client() as look:
            assert look.hget(any_redis.keys.session("s1"), "status") == "error"
            assert look.ttl(any_redis.keys.session("s1")) > 0

    on_redis(main, any_redis)


def test_a_renewed_lease_holds(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        for session in ("s1", "s2"):
            await it.router.allocate(session, SlotRequest())
        expire(any_redis, "s1", "s2")
        assert await it.router.renew(["s1", "nobody"]) == {"nobody"}
        assert await it.router.sweep() == SweepResult((), ("s2",))
        assert set(await it.router.sessions()) == {"s1"}

    on_redis(main, any_redis)


def test_a_session_freed_by_the_sweep_comes_back_and_one_that_was_released_does_not(
    any_redis: AnyRedis,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        for session in ("s1", "s2"):
            await it.router.allocate(session, SlotRequest())
        expire(any_redis, "s1")
        await it.router.sweep()
        await it.router.release("s2", "ended", 1.0)
        assert await it.router.renew(["s1", "s2"]) == {"s1", "s2"}
        assert await it.router.restore([held("s1"), held("s2")]) == 1
        assert set(await it.router.sessions()) == {"s1"}

    on_redis(main, any_redis)


def test_a_session_that_moved_is_not_pulled_back(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.registry.heartbeat(replace(RECORD, worker_id="w2", lag=1.0))
        await it.router.allocate("s1", SlotRequest())
        await it.router.allocate("s1", SlotRequest(), ["w1"])
        assert await it.router.restore([held("s1")]) == 0
        assert (await it.router.sessions())["s1"]["worker_id"] == "w2"

    on_redis(main, any_redis)


def test_an_empty_redis_never_counts_too_many_free_slots(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        with any_redis.client() as look:
            look.flushall()
        await it.registry.heartbeat(replace(RECORD, sessions=("s1",)))
        worker = await it.worker()
        assert worker is not None
        assert worker.free == 1
        assert await it.router.renew(["s1"]) == {"s1"}
        assert await it.router.restore([held("s1")]) == 1
        assert (await it.router.sessions())["s1"]["started_at"] == "2025-01-28T12:00:00Z"
        assert await it.router.allocate("s1", SlotRequest()) == SLOT

    on_redis(main, any_redis)


def test_what_ran_out_while_redis_was_away_gets_the_time_to_say_that_it_lives(
    any_redis: AnyRedis,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        with any_redis.client() as look:
            look.hset(any_redis.keys.availability, mapping={"since": 1, "last": 1})
            look.hset(any_redis.keys.worker("w1"), "heartbeat_ms", 1)
            look.zadd(any_redis.keys.leases, {"s1": 1})
        assert await it.router.sweep() == SweepResult((), ())
        await it.registry.heartbeat(RECORD)
        assert await it.router.renew(["s1"]) == set()
        worker = await it.worker()
        assert worker is not None
        assert worker.active_sessions == 1

    on_redis(main, any_redis)


def test_a_handed_over_slot_is_held_for_longer(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        await it.router.renew(["s1"], 30.0)
        with any_redis.client() as look:
            seconds, micros = look.time()
            lease = look.zscore(any_redis.keys.leases, "s1") - (seconds * 1000 + micros // 1000)
        assert 29_000 < lease <= 30_000

    on_redis(main, any_redis)


def test_a_killed_gateway_frees_its_slots_within_ten_seconds(own_redis: RedisServer) -> None:
    async def main() -> None:
        with process("broker", redis_url=own_redis.url), gateway_process(own_redis.url) as gateway:
            async with fake_worker(own_redis.url):
                await asyncio.to_thread(gateway.process.line, "ready")
                async with client(gateway) as one, client(gateway) as two:
                    await one.event("session.begin")
                    await two.event("session.begin")
                    gateway.process.send(signal.SIGKILL)
                    with own_redis.client() as look:
                        seconds, micros = look.time()
                        ends = look.zrange(own_redis.keys.leases, 0, -1, desc=True, withscores=True)
                        left = ends[0][1] - (seconds * 1000 + micros // 1000)
                        assert left <= 8_000, "a second of the broker's and one to spare make ten"

                        async def free() -> bool:
                            return not look.scard(own_redis.keys.active) and not look.zcard(
                                own_redis.keys.leases
                            )

                        assert not await free()
                        await until(free)
                        assert look.hget(own_redis.keys.worker("worker-1"), "active_sessions") == "0"

    run(main())
