"""Tests workers and slots in a real Redis, one transition at a time."""

import asyncio
from dataclasses import replace

import pytest

from broker.errors import NoCapacity, NothingToDrain, SessionOver, WorkerIdTaken
from broker.records import Allocation, QueuePosition, SlotRequest, WorkerRecord
from broker.registry import HeartbeatReply, Registry
from broker.router import LostWorker, SweepResult
from broker.store.keys import PLAIN as KEYS
from tests.support.broker_ends import RECORD, BrokerEnds, on_redis
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer


def test_a_heartbeat_writes_the_record_of_the_specification(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(replace(RECORD, gpu_memory_used="4.2GB", lag=1.25))
        with shared_redis.client() as look:
            fields = look.hgetall("dalston:realtime:worker:w1")
            assert look.smembers("dalston:realtime:workers") == {"w1"}
        assert fields["endpoint"] == "ws://127.0.0.1:9000"
        assert fields["status"] == "ready"
        assert fields["capacity"] == "2"
        assert fields["active_sessions"] == "0"
        assert fields["gpu_memory_used"] == "4.2GB"
        assert "gpu_memory_total" not in fields
        assert fields["models_loaded"] == '["tiny", "large"]'
        assert fields["last_heartbeat"].endswith("Z")
        assert fields["lag"] == "1.250"
        assert int(fields["heartbeat_ms"]) > 1_700_000_000_000
        await it.registry.heartbeat(RECORD)
        with shared_redis.client() as look:
            assert not look.hexists("dalston:realtime:worker:w1", "gpu_memory_used")

    on_redis(main, shared_redis)


def test_an_allocation_writes_the_records_of_the_specification(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        slot = await it.router.allocate("s1", SlotRequest("fast", "en"))
        assert slot == Allocation("w1", "ws://127.0.0.1:9000", "tiny", "fast")
        with shared_redis.client() as look:
            assert look.smembers("dalston:realtime:worker:w1:sessions") == {"s1"}
            assert look.smembers("dalston:realtime:sessions:active") == {"s1"}
            session = look.hgetall("dalston:realtime:session:s1")
        assert session.pop("started_at").endswith("Z")
        assert session == {
            "worker_id": "w1",
            "status": "active",
            "language": "en",
            "model": "fast",
            "model_name": "tiny",
            "variant": "fast",
            "degraded": "0",
            "audio_duration": "0",
            "enhance_on_end": "false",
        }
        assert (await it.router.sessions())["s1"]["worker_id"] == "w1"

    on_redis(main, shared_redis)


def test_a_worker_is_busy_while_it_is_full(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        async def state() -> tuple[str, int]:
            worker = await it.worker()
            assert worker is not None
            return worker.status, worker.active_sessions

        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        assert await state() == ("ready", 1)
        await it.router.allocate("s2", SlotRequest())
        assert await state() == ("busy", 2)
        await it.registry.heartbeat(RECORD)
        assert await state() == ("busy", 2)
        with pytest.raises(NoCapacity, match="all slots are taken") as refused:
            await it.router.allocate("s3", SlotRequest())
        assert refused.value.retry_after == 5.0
        assert "s3" not in await it.router.sessions()
        assert await it.router.release("s1", "ended", 1.5)
        assert await state() == ("ready", 1)

    on_redis(main, any_redis)


def test_asking_and_giving_back_twice_changes_nothing(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        first = await it.router.allocate("s1", SlotRequest())
        assert await it.router.allocate("s1", SlotRequest()) == first
        assert (await it.router.workers())[0].active_sessions == 1
        assert await it.router.release("s1", "ended", 1.0)
        assert not await it.router.release("s1", "error", 9.0)
        assert (await it.router.workers())[0].active_sessions == 0
        with shared_redis.client() as look:
            assert look.hget("dalston:realtime:session:s1", "status") == "ended"
            assert look.hget("dalston:realtime:session:s1", "audio_duration") == "1.000"

    on_redis(main, shared_redis)


def test_an_allocation_that_arrives_after_its_release_takes_no_slot(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        assert not await it.router.release("s1", "error", 0)
        with pytest.raises(SessionOver):
            await it.router.allocate("s1", SlotRequest())
        assert (await it.router.workers())[0].active_sessions == 0
        with shared_redis.client() as look:
            assert look.ttl("dalston:realtime:session:s1") > 0

    on_redis(main, shared_redis)


@pytest.mark.parametrize(
    ("model", "language", "expected"),
    [
        ("fast", "auto", "tiny"),
        ("fast", "en", "tiny"),
        ("accurate", "de", "large"),
        ("large", "auto", "large"),
        ("tiny", "en", "tiny"),
        ("fast", "de", None),
        ("other", "auto", None),
        ("tiny", "fr", None),
    ],
)
def test_a_slot_fits_by_model_and_language(
    shared_redis: RedisServer, model: str, language: str, expected: str | None
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        if expected is not None:
            assert (await it.allocate("s", SlotRequest(model, language))).model == expected
        else:
            with pytest.raises(NoCapacity, match="has the model"):
                await it.router.allocate("s", SlotRequest(model, language))

    on_redis(main, shared_redis)


def test_the_larger_share_of_free_slots_wins_then_the_smaller_lag(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        for worker_id, capacity, lag in (("a", 4, 2.0), ("b", 2, 1.0), ("c", 2, 3.0)):
            await it.registry.heartbeat(replace(RECORD, worker_id=worker_id, capacity=capacity, lag=lag))
        slots = [(await it.allocate(f"s{n}", SlotRequest())).worker_id for n in range(8)]
        assert slots == ["b", "a", "c", "a", "b", "a", "c", "a"]

    on_redis(main, shared_redis)


def test_a_worker_that_drains_gets_nothing_new(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        await it.registry.heartbeat(replace(RECORD, draining=True))
        with pytest.raises(NoCapacity, match="no worker is there"):
            await it.router.allocate("s2", SlotRequest())
        await it.router.release("s1", "ended", 1)
        worker = await it.worker()
        assert worker is not None
        assert (worker.status, worker.active_sessions, worker.free) == ("draining", 0, 0)

    on_redis(main, shared_redis)


def test_a_session_moves_away_from_a_worker_that_cannot_be_reached(
    any_redis: AnyRedis,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.registry.heartbeat(replace(RECORD, worker_id="w2", lag=1.0))
        assert (await it.allocate("s", SlotRequest())).worker_id == "w1"
        assert (await it.allocate("s", SlotRequest(), ["w1"])).worker_id == "w2"
        assert [w.active_sessions for w in await it.router.workers()] == [0, 1]
        with pytest.raises(NoCapacity):
            await it.router.allocate("s", SlotRequest(), ["w1", "w2"])
        assert [w.active_sessions for w in await it.router.workers()] == [0, 0]
        assert await it.router.sessions() == {}

    on_redis(main, any_redis)


def test_an_old_heartbeat_means_offline(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        with shared_redis.client() as look:
            look.hset(shared_redis.keys.worker("w1"), "heartbeat_ms", 1)
            look.hset(shared_redis.keys.availability, "since", 1)
        worker = await it.worker()
        assert worker is not None
        assert not worker.alive
        with pytest.raises(NoCapacity, match="no worker is there"):
            await it.router.allocate("s2", SlotRequest())
        assert await it.router.sweep() == SweepResult((LostWorker("w1", ("s1",)),), ())
        assert await it.router.sweep() == SweepResult((), ())
        with shared_redis.client() as look:
            assert look.hget("dalston:realtime:session:s1", "status") == "error"
            assert look.hget("dalston:realtime:worker:w1", "status") == "offline"
            assert look.ttl("dalston:realtime:session:s1") > 0
            assert look.ttl("dalston:realtime:worker:w1") > 0
            assert not look.exists("dalston:realtime:sessions:active")
        assert not await it.router.release("s1", "ended", 1)
        await it.registry.heartbeat(RECORD)
        worker = await it.worker()
        assert worker is not None
        assert (worker.status, worker.active_sessions) == ("ready", 0)
        with shared_redis.client() as look:
            assert look.ttl("dalston:realtime:worker:w1") == -1

    on_redis(main, shared_redis)


def test_a_worker_whose_record_has_expired_is_forgotten(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        with shared_redis.client() as look:
            look.delete("dalston:realtime:worker:w1")
            assert await it.router.sweep() == SweepResult((), ())
            assert await it.router.workers() == []
            assert look.keys("dalston:realtime:worker*") == []

    on_redis(main, shared_redis)


def test_an_empty_redis_knows_the_worker_again_after_one_beat(any_redis: AnyRedis) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        with any_redis.client() as look:
            look.flushall()
            look.script_flush()
        assert await it.router.workers() == []
        await it.registry.heartbeat(RECORD)
        assert (await it.allocate("s", SlotRequest())).worker_id == "w1"

    on_redis(main, any_redis)


def test_a_restarted_worker_starts_without_the_sessions_of_the_process_before(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        again = Registry.connect(shared_redis.url)
        assert await again.heartbeat(RECORD) == HeartbeatReply(1, None)
        assert (await it.router.workers())[0].active_sessions == 0
        assert await it.router.sessions() == {}
        await it.registry.deregister("w1")  # the process before ends late
        assert len(await it.router.workers()) == 1
        await again.deregister("w1")
        await again.deregister("w1")
        with shared_redis.client() as look:
            assert look.keys("dalston:realtime:worker*") == []
        await again.close()

    on_redis(main, shared_redis)


def test_entries_that_are_not_ours_are_left_out(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        with shared_redis.client() as look:
            look.sadd("dalston:realtime:workers", "strange")
            look.hset("dalston:realtime:worker:strange", mapping={"status": "ready", "x": "\xff"})
        await it.registry.heartbeat(RECORD)
        assert [w.worker_id for w in await it.router.workers()] == ["w1"]

    on_redis(main, shared_redis)


def test_a_worker_that_drains_hears_whether_the_others_have_room(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        for session in ("s1", "s2"):
            await it.router.allocate(session, SlotRequest("fast", "en"))
        await it.router.drain("w1", 5)
        assert await it.registry.heartbeat(RECORD) == HeartbeatReply(0, 5.0, has_room=False)
        other = Registry.connect(shared_redis.url)
        await other.heartbeat(replace(RECORD, worker_id="w2", capacity=1))
        assert not (await it.registry.heartbeat(RECORD)).has_room
        await other.heartbeat(replace(RECORD, worker_id="w2", capacity=2))
        assert (await it.registry.heartbeat(RECORD)).has_room
        await other.close()

    on_redis(main, shared_redis)


def test_a_worker_that_is_offline_has_nothing_to_drain(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.registry.offline("w1")
        with pytest.raises(NothingToDrain, match="w1 is offline"):
            await it.router.drain("w1", 5)
        assert await it.router.drain("w1", None)

    on_redis(main, shared_redis)


def test_an_entry_with_the_fields_of_the_specification_alone_stops_no_allocation(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        with shared_redis.client() as look:
            look.sadd("dalston:realtime:workers", "foreign")
            fields = {"endpoint": "ws://x", "status": "ready", "capacity": "4", "active_sessions": "0"}
            fields |= {"models_loaded": '["tiny"]', "last_heartbeat": "2026-01-01T00:00:00Z"}
            look.hset("dalston:realtime:worker:foreign", mapping=fields)
            await it.router.drain("w1", 0)
            assert (await it.registry.heartbeat(replace(RECORD, sessions=("s",)))).has_room
            await it.router.drain("w1", None)
            for number, models in enumerate(("", "[", "7", "[7]", '[{"name":"tiny"}]', '{"a":1}')):
                name = f"garbage{number}"
                look.sadd("dalston:realtime:workers", name)
                beats = {"heartbeat_ms": str(2**52), "models": models}
                look.hset(f"dalston:realtime:worker:{name}", mapping=fields | beats)
        waits = SlotRequest("another", overflow="queue")
        assert isinstance(await it.router.allocate("waits", waits), QueuePosition)
        await it.registry.heartbeat(RECORD)
        assert set(await it.router.keep_waiting(["waits"])) == {"waits"}
        await it.router.sweep()
        slot = await it.router.allocate("s1", SlotRequest("fast", "en"))
        assert isinstance(slot, Allocation)
        assert slot.worker_id == "w1"

    on_redis(main, shared_redis)


def test_a_second_worker_with_the_same_id_is_refused_and_the_first_keeps_its_sessions(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        await it.router.allocate("s1", SlotRequest())
        second = Registry.connect(shared_redis.url)
        elsewhere = replace(RECORD, endpoint="ws://10.0.0.2:9000")
        with pytest.raises(WorkerIdTaken, match=r"id w1 is registered, at ws://127.0.0.1:9000: .*WORKER_ID"):
            await second.heartbeat(elsewhere)
        assert await it.registry.heartbeat(RECORD) == HeartbeatReply(0, None)
        worker = await it.worker()
        assert worker is not None
        assert (worker.endpoint, worker.active_sessions) == (RECORD.endpoint, 1)
        await it.registry.offline("w1")  # one that lives no more leaves its id
        assert await second.heartbeat(elsewhere) == HeartbeatReply(0, None)
        with pytest.raises(WorkerIdTaken, match=r"10\.0\.0\.2"):
            await it.registry.heartbeat(RECORD)
        await second.close()

    on_redis(main, shared_redis)


def test_of_two_workers_that_say_they_are_at_one_address_the_first_does_not_take_the_id_back(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        second = Registry.connect(shared_redis.url)
        await second.heartbeat(RECORD)  # as after a restart
        with pytest.raises(WorkerIdTaken):
            await it.registry.heartbeat(RECORD)
        assert await second.heartbeat(RECORD) == HeartbeatReply(0, None)
        await second.close()

    on_redis(main, shared_redis)


def test_a_heartbeat_from_before_the_clock_was_set_back_keeps_no_dead_worker_alive(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        hour = 3_600_000
        with shared_redis.client() as look:
            look.hincrby("dalston:realtime:worker:w1", "heartbeat_ms", hour)
            for name in ("last", "since"):
                look.hincrby(KEYS.availability, name, hour)
        worker = await it.worker()
        assert worker is not None
        assert worker.alive
        assert await it.router.sweep() == SweepResult((), ())
        with shared_redis.client() as look:
            now = int(look.time()[0]) * 1000
            assert int(look.hget("dalston:realtime:worker:w1", "heartbeat_ms") or 0) <= now + 1000
            assert int(look.hget(KEYS.availability, "since") or 0) <= now + 1000
            for name in ("last", "since"):
                look.hset(KEYS.availability, name, now - 2 * hour if name == "since" else now)
            look.hset("dalston:realtime:worker:w1", "heartbeat_ms", now - hour)
        assert [lost.worker_id for lost in (await it.router.sweep()).lost] == ["w1"]

    on_redis(main, shared_redis)


def test_a_gpu_that_another_live_worker_has_is_said(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(replace(RECORD, devices=("GPU-a", "GPU-b", "cpu")))
        other = Registry.connect(shared_redis.url)
        second = replace(RECORD, worker_id="w2", endpoint="ws://127.0.0.1:9001")
        assert (await other.heartbeat(replace(second, devices=("cpu",)))).shared == ()
        assert (await other.heartbeat(replace(second, devices=("GPU-b",)))).shared == (("w1", "GPU-b"),)
        with shared_redis.client() as look:
            look.hset("dalston:realtime:worker:w1", "devices", "nonsense")
        assert (await other.heartbeat(replace(second, devices=("GPU-b",)))).shared == ()
        await other.close()

    on_redis(main, shared_redis)


@pytest.mark.parametrize("name", ["w:sessions", "two words", "", "\n", "\u00e9", "x" * 201])
def test_a_name_that_is_no_workers_is_not_registered(shared_redis: RedisServer, name: str) -> None:
    async def main() -> None:
        registry = Registry.connect(shared_redis.url)
        with pytest.raises(ValueError, match="can't be the id of a worker"):
            await registry.heartbeat(WorkerRecord(name, "ws://w", 1, ()))
        await registry.close()

    asyncio.run(main())
