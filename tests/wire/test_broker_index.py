"""Tests that the index of the workers finds the slot that a look at all workers would find."""

import asyncio
import hashlib
import json
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from broker.errors import NoCapacity
from broker.records import Allocation, HeldSlot, SlotRequest, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.scripts import Scripts
from dalston_realtime.protocol.models import ModelInfo
from tests.support.broker_ends import RECORD, BrokerEnds, on_redis
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer

TINY = ModelInfo("fast", "tiny", "fake", ("en",), {})
TIMED = ModelInfo("fast", "timed", "fake", ("en", "de"), {"word_timestamps": True})
LARGE = ModelInfo("accurate", "large", "fake", ("de", "fr"), {"vocabulary": True})
LOADED = st.sampled_from([(TINY,), (TIMED,), (LARGE,), (TINY, LARGE), (TIMED, LARGE)])
NAMES = st.sampled_from(["w1", "w2", "w3", "w4"])
REQUESTS = st.builds(
    SlotRequest,
    st.sampled_from(["fast", "accurate", "tiny", "large"]),
    st.sampled_from(["auto", "en", "de", "fr"]),
    st.sampled_from([(), ("word_timestamps",), ("vocabulary", "word_timestamps")]),
    st.sampled_from(["reject", "degrade"]),
)
REPORTS = st.builds(
    WorkerRecord,
    NAMES,
    st.just("ws://w"),
    st.integers(1, 3),
    LOADED,
    lag=st.sampled_from([0.0, 0.1, 3.0]),
    draining=st.sampled_from([False, False, True]),
    degraded_capacity=st.integers(0, 4),
)


def best_model(record: WorkerRecord, request: SlotRequest, name: str) -> tuple[int, ModelInfo] | None:
    """The model of a worker that fits best, and how many of the features it has."""
    fitting = [
        (sum(bool(model.features.get(each)) for each in request.features), model)
        for model in record.models
        if model.answers_to(name) and model.speaks(request.language)
    ]
    return max(fitting, key=lambda found: found[0], default=None)


class IndexMachine(RuleBasedStateMachine):
    """Workers that come, change and go, and sessions, beside a list in which the test looks itself."""

    def __init__(self, redis: RedisServer) -> None:
        super().__init__()
        self.redis, self.keys = redis, redis.keys
        self.look = redis.client()
        self.look.flushall()
        self.runner = asyncio.Runner()
        scripts = Scripts(redis.url, DEADLINE_S)
        self.router = SessionRouter(
            scripts, BrokerSettings(redis_url=redis.url, heartbeat_timeout=DEADLINE_S)
        )
        self.registries = {f"w{number}": Registry(scripts) for number in range(1, 5)}
        self.workers: dict[str, WorkerRecord] = {}
        self.sessions: dict[str, str] = {}  # The worker of each.
        self.drained: set[str] = set()
        self.number = self.written = 0

    def teardown(self) -> None:
        self.runner.run(self.router.close())
        self.runner.close()
        self.look.close()

    def expected(self, request: SlotRequest, avoid: set[str]) -> tuple[str, str, bool] | None:
        """The worker, the model and whether it is degraded, as a look at all workers finds them."""
        degraded = [request.model, *(["fast"] if request.model == "accurate" else [])]
        steps = [(request.model, False, False)]
        if request.overflow == "degrade":
            steps += [(name, False, True) for name in degraded[1:]] + [
                (name, True, True) for name in degraded
            ]
        for name, beyond, is_degraded in steps:
            found = []
            for worker, record in self.workers.items():
                most = max(record.capacity, record.degraded_capacity) if beyond else record.capacity
                taken = list(self.sessions.values()).count(worker)
                fit = best_model(record, request, name)
                usable = not (record.draining or worker in self.drained or worker in avoid)
                if fit and usable and taken < most:
                    found.append((-fit[0], taken / most, record.lag, worker, fit[1].name))
            if found:
                *_, worker, model = min(found)
                return worker, model, is_degraded
        return None

    @rule(report=REPORTS)
    def heartbeat(self, report: WorkerRecord) -> None:
        self.workers[report.worker_id] = report
        self.runner.run(self.registries[report.worker_id].heartbeat(report))

    @rule(request=REQUESTS, avoid=st.sets(NAMES, max_size=1), times=st.integers(1, 3))
    def allocate(self, request: SlotRequest, avoid: set[str], times: int) -> None:
        for _ in range(times):
            expected, session = self.expected(request, avoid), f"s{self.number}"
            self.number += 1
            try:
                slot: Any = self.runner.run(self.router.allocate(session, request, avoid))
            except NoCapacity:
                assert expected is None
                return
            assert (slot.worker_id, slot.model, slot.degraded) == expected
            self.sessions[session] = slot.worker_id
            self.look.zadd(self.keys.leases, {session: 1e15})  # However slow the machine is.

    @rule(which=st.integers(0, 20))
    def release(self, which: int) -> None:
        if self.sessions:
            session = sorted(self.sessions)[which % len(self.sessions)]
            self.runner.run(self.router.release(session, "ended", 1.0))
            del self.sessions[session]

    @rule(worker=NAMES, on=st.booleans())
    def drain(self, worker: str, on: bool) -> None:
        if worker in self.workers:
            self.runner.run(self.router.drain(worker, 9.0 if on else None))
            self.drained = self.drained | {worker} if on else self.drained - {worker}
            self.runner.run(self.registries[worker].heartbeat(self.workers[worker]))

    @rule(worker=NAMES, how=st.sampled_from(["leaves", "is silent"]))
    def lose(self, worker: str, how: str) -> None:
        if worker not in self.workers:
            return
        if how == "leaves":
            self.runner.run(
                self.registries[worker].heartbeat(self.workers[worker])
            )  # It may be another process.
            self.runner.run(self.registries[worker].deregister(worker))
        else:
            self.look.hset(self.keys.worker(worker), "heartbeat_ms", 1)
            self.look.hset(self.keys.availability, "since", 1)
            self.runner.run(self.router.sweep())
            self.look.hdel(self.keys.worker(worker), "drain")
        self.drained.discard(worker)
        self.sessions = {session: at for session, at in self.sessions.items() if at != worker}
        del self.workers[worker]

    @rule(report=REPORTS, session=st.booleans())
    def another_version_writes(self, report: WorkerRecord, session: bool) -> None:
        """A heartbeat and an allocation by scripts that know no index; then a broker looks after it."""
        worker, seconds = report.worker_id, self.look.time()[0]
        if worker in self.drained or report.draining:
            return
        self.workers[worker] = report
        if session:
            self.look.sadd(self.keys.worker_sessions(worker), f"s{self.number}")
            self.look.hset(
                self.keys.session(f"s{self.number}"), mapping={"status": "active", "worker_id": worker}
            )
            self.sessions[f"s{self.number}"] = worker
            self.number += 1
        taken = list(self.sessions.values()).count(worker)
        status = "busy" if taken >= report.capacity else "ready"
        self.written += 1  # No two heartbeats of a worker are of the same time.
        fields: dict[Any, Any] = {**report.fields(), "status": status}
        fields["heartbeat_ms"] = seconds * 1000 - self.written
        self.look.sadd(self.keys.workers, worker)
        self.look.hset(self.keys.worker(worker), mapping=fields)
        self.runner.run(self.router.sweep())
        self.registries[worker] = Registry(self.router.scripts)
        self.look.hdel(self.keys.worker(worker), "incarnation")

    @invariant()
    def index_is_true(self) -> None:
        look, keys = self.look, self.keys
        usable = {
            worker: report
            for worker, report in self.workers.items()
            if not report.draining and worker not in self.drained
        }
        sets: dict[str, set[str]] = {}
        for worker, report in usable.items():
            text = json.dumps([asdict(model) for model in report.models])
            sets.setdefault(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), set()).add(worker)
        assert set(look.hkeys(keys.index_models)) == set(sets)
        for name, workers in sets.items():
            assert set(look.zrange(keys.index_slots(name), 0, -1)) == workers
            assert set(look.zrange(keys.index_heartbeats(name), 0, -1)) == workers
            taken = sum(worker in workers for worker in self.sessions.values())
            assert int(look.hget(keys.index_sessions, name) or 0) == taken
        assert len(look.keys(keys.index_slots("*"))) == len(sets)


def test_the_index_finds_what_a_look_at_all_workers_finds(shared_redis: RedisServer) -> None:
    machine: Any = partial(IndexMachine, shared_redis)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_an_index_that_is_wrong_is_mended_by_who_finds_it_so(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        await it.registry.heartbeat(RECORD)
        with shared_redis.client() as look:
            (slots,) = look.keys(shared_redis.keys.index_slots("*"))
            look.zadd(slots, {"nobody": 0, "w1": 7})
            look.sadd(shared_redis.keys.worker_sessions("w1"), "a", "b")  # Both slots are taken.
            with pytest.raises(NoCapacity, match="all slots are taken"):
                await it.router.allocate("c", SlotRequest())
            assert look.zrange(slots, 0, -1) == ["w1"]
            look.srem(shared_redis.keys.worker_sessions("w1"), "a")
        await it.registry.heartbeat(RECORD)
        assert (await it.allocate("c", SlotRequest())).worker_id == "w1"

    on_redis(main, shared_redis)


def test_workers_that_registered_before_there_was_an_index_are_found_at_once(
    shared_redis: RedisServer,
) -> None:
    async def main(it: BrokerEnds) -> None:
        for number in range(3):
            await it.registry.heartbeat(replace(RECORD, worker_id=f"w{number}"))
        with shared_redis.client() as look:
            look.delete(*look.keys("dalston:realtime:index:*"))
        slots = [(await it.allocate(f"s{number}", SlotRequest())).worker_id for number in range(6)]
        assert sorted(slots) == ["w0", "w0", "w1", "w1", "w2", "w2"]

    on_redis(main, shared_redis)


def test_hundreds_of_workers_are_read_and_swept_in_parts(shared_redis: RedisServer) -> None:
    async def main(it: BrokerEnds) -> None:
        names = [f"w{number:03}" for number in range(120)]
        await asyncio.gather(*(it.registry.heartbeat(replace(RECORD, worker_id=name)) for name in names))
        held = [HeldSlot(f"s-{n}", SlotRequest(), Allocation(n, "", "tiny", "fast"), "", 1.0) for n in names]
        assert await it.router.restore(held) == 120
        assert [worker.worker_id for worker in await it.router.workers()] == names
        with shared_redis.client() as look:
            for name in names:
                look.hset(shared_redis.keys.worker(name), "heartbeat_ms", 1)
            look.hset(shared_redis.keys.availability, "since", 1)
            look.zadd(shared_redis.keys.leases, {f"s-{name}": 1 for name in names})
        swept = await it.router.sweep()
        assert sorted(lost.worker_id for lost in swept.lost) == names
        assert sum(len(lost.sessions) for lost in swept.lost) + len(swept.expired) == 120
        assert await it.router.marked_offline() == names

    on_redis(main, shared_redis)
