"""Tests that slots stay exact in any order of heartbeats, allocations, waits, releases and losses."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from broker.errors import NoCapacity, NothingToDrain, SessionOver
from broker.records import Allocation, HeldSlot, QueuePosition, SlotRequest, WorkerRecord
from broker.registry import HeartbeatReply, Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.scripts import Scripts
from dalston_realtime.protocol.models import ModelInfo
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis

MODEL = ModelInfo("fast", "tiny", "fake", ("en",), {})
WORKERS = st.sampled_from(["w1", "w2", "w3"])
SESSIONS = st.sampled_from([f"s{number}" for number in range(9)])


@dataclass
class Expected:
    """What a worker should look like."""

    capacity: int
    draining: bool = False  # by itself
    drained: bool = False  # because it was asked to
    sessions: set[str] = field(default_factory=set)

    def record(self, worker: str) -> WorkerRecord:
        """What it says of itself."""
        return WorkerRecord(
            worker,
            f"ws://{worker}",
            self.capacity,
            (MODEL,),
            draining=self.draining,
            sessions=tuple(sorted(self.sessions)),
        )

    @property
    def status(self) -> str:
        """What the registry says of it."""
        if self.draining or self.drained:
            return "draining"
        return "busy" if len(self.sessions) >= self.capacity else "ready"


def choose(taken: dict[str, int], workers: dict[str, Expected], avoid: set[str]) -> str | None:
    """The worker with the largest share of free slots, by name where shares are equal."""
    shares = {
        worker: (expected.capacity - taken[worker]) / expected.capacity
        for worker, expected in sorted(workers.items())
        if expected.status != "draining" and worker not in avoid and taken[worker] < expected.capacity
    }
    return max(shares, key=lambda worker: shares[worker]) if shares else None


class SlotsMachine(RuleBasedStateMachine):
    """Every transition of the broker in any order, on a real Redis."""

    def __init__(self, redis: AnyRedis) -> None:
        super().__init__()
        self.redis = redis
        with self.redis.client() as look:
            look.flushall()
        self.runner = asyncio.Runner()
        self.router = SessionRouter(
            Scripts(self.redis.url, DEADLINE_S),
            BrokerSettings(redis_url=self.redis.url, heartbeat_timeout=DEADLINE_S),
        )
        self.registries: dict[str, Registry] = {}
        self.workers: dict[str, Expected] = {}
        self.over: set[str] = set()
        self.drained: set[str] = set()
        self.offline: set[str] = set()
        self.waiting: list[str] = []

    def teardown(self) -> None:
        try:
            self.everything_that_is_left_goes_by_itself()
        finally:
            self.close()

    def everything_that_is_left_goes_by_itself(self) -> None:
        """Once all sessions and workers are gone, what does not expire is of a size that never grows."""
        for session in {*self.waiting, *(s for w in self.workers.values() for s in w.sessions)}:
            self.end(session, only_the_queue=False)
        for worker in list(self.workers):
            self.runner.run(self.registries[worker].deregister(worker))
        self.runner.run(self.router.sweep())
        keys = self.redis.keys
        with self.redis.client() as look:
            staying = {key for key in look.scan_iter() if look.ttl(key) < 0}
            workers, indexed = look.smembers(keys.workers), set(look.hkeys(keys.index_workers))
            known = {worker for worker in workers if not look.exists(keys.worker(worker))}
        lasting = {keys.availability, keys.endings, keys.tickets, keys.workers, keys.index_workers}
        assert staying <= lasting
        assert (known, indexed - workers) == (set(), set())

    def close(self) -> None:
        self.runner.run(self.router.close())
        for registry in self.registries.values():
            self.runner.run(registry.close())
        self.runner.close()

    def holder(self, session: str) -> str | None:
        return next((w for w, e in self.workers.items() if session in e.sessions), None)

    def expected_slot(self, session: str, avoid: set[str]) -> str | None:
        """Where it gets a slot, behind those who wait before it."""
        taken = {worker: len(expected.sessions) for worker, expected in self.workers.items()}
        for waiting in self.waiting:
            if waiting == session:
                break
            if (worker := choose(taken, self.workers, set())) is not None:
                taken[worker] += 1
        return choose(taken, self.workers, avoid)

    def has_room_elsewhere(self, worker: str) -> bool:
        """Whether the other workers have slots for all of its sessions."""
        others = [each for name, each in self.workers.items() if name != worker and each.status == "ready"]
        free = sum(each.capacity - len(each.sessions) for each in others)
        return free >= len(self.workers[worker].sessions)

    def registry(self) -> Registry:
        """The registry of a process that has just started."""
        return Registry(Scripts(self.redis.url, DEADLINE_S))

    def send_heartbeat(self, worker: str) -> HeartbeatReply:
        self.offline.discard(worker)
        registry = self.registries.setdefault(worker, self.registry())
        return self.runner.run(registry.heartbeat(self.workers[worker].record(worker)))

    @initialize(capacity=st.integers(1, 2))
    def begin(self, capacity: int) -> None:
        for number in (1, 2):
            self.heartbeat(f"w{number}", capacity, draining=False)

    @rule(worker=WORKERS, capacity=st.integers(1, 3), draining=st.booleans())
    def heartbeat(self, worker: str, capacity: int, draining: bool) -> None:
        expected = self.workers.setdefault(worker, Expected(capacity))
        expected.capacity, expected.draining = capacity, draining
        expected.drained = worker in self.drained
        drain = HeartbeatReply(0, 30.0, self.has_room_elsewhere(worker))
        assert self.send_heartbeat(worker) == (drain if expected.drained else HeartbeatReply(0, None))

    @rule(worker=WORKERS, on=st.booleans())
    def drain(self, worker: str, on: bool) -> None:
        if on and worker in self.offline:
            with pytest.raises(NothingToDrain):
                self.runner.run(self.router.drain(worker, 30.0))
            return
        known = self.runner.run(self.router.drain(worker, 30.0 if on else None))
        if known:
            self.drained = self.drained | {worker} if on else self.drained - {worker}
        if worker in self.workers:
            assert known
            self.workers[worker].drained = on
            self.send_heartbeat(worker)

    @rule(worker=WORKERS, how=st.sampled_from(["restarts", "leaves", "says so", "is silent"]))
    def lose_a_worker(self, worker: str, how: str) -> None:
        if worker not in self.workers:
            return
        sessions = self.workers.pop(worker).sessions
        registry = self.registries[worker]
        if how == "restarts":
            self.runner.run(self.registries.pop(worker).close())
            self.workers[worker] = Expected(2)
            assert self.send_heartbeat(worker) == HeartbeatReply(len(sessions), None)
        elif how == "leaves":
            self.runner.run(registry.deregister(worker))
        elif how == "says so":
            assert self.runner.run(registry.offline(worker))
            assert not self.runner.run(registry.offline(worker))
        else:
            with self.redis.client() as look:
                look.hset(self.redis.keys.worker(worker), "heartbeat_ms", 1)
                look.hset(self.redis.keys.availability, "since", 1)
            (lost,) = self.runner.run(self.router.sweep()).lost
            assert set(lost.sessions) == sessions
        if how in ("restarts", "leaves"):
            self.drained.discard(worker)
        else:
            self.offline.add(worker)

    @rule(gone=st.sets(SESSIONS))
    def lose_a_gateway(self, gone: set[str]) -> None:
        gone = {session for session in gone if self.holder(session)}
        with self.redis.client() as look:
            look.hset(self.redis.keys.availability, "since", 1)
            for session in gone:
                look.zadd(self.redis.keys.leases, {session: 1})
        assert set(self.runner.run(self.router.sweep()).expired) == gone
        for session in gone:
            self.workers[self.holder(session) or ""].sessions.remove(session)

    @rule()
    def forget_everything(self) -> None:
        with self.redis.client() as look:
            look.flushall()
        self.over, self.drained, self.offline, self.waiting = set(), set(), set(), []
        for worker, expected in self.workers.items():
            expected.drained = False
            self.send_heartbeat(worker)
        held = [
            HeldSlot(
                session,
                SlotRequest(),
                Allocation(worker, "", "tiny", "fast"),
                "2025-01-28T12:00:00Z",
                1.0,
            )
            for worker, expected in self.workers.items()
            for session in expected.sessions
        ]
        unknown = self.runner.run(self.router.renew(each.session_id for each in held))
        assert unknown == {each.session_id for each in held}
        assert self.runner.run(self.router.restore(held)) == len(held)
        assert not self.runner.run(self.router.renew(each.session_id for each in held))

    @rule(sessions=st.lists(SESSIONS, min_size=1, max_size=6, unique=True), wait=st.booleans())
    def allocate_some(self, sessions: list[str], wait: bool) -> None:
        for session in sessions:
            self.allocate(session, set(), wait)

    @rule(session=SESSIONS, avoid=st.sets(WORKERS, min_size=1, max_size=1))
    def move(self, session: str, avoid: set[str]) -> None:
        self.allocate(session, avoid, wait=False)

    def allocate(self, session: str, avoid: set[str], wait: bool) -> None:
        holder = self.holder(session)
        if wait or session in self.waiting:
            avoid = set()
        if holder is not None and holder in avoid:
            self.workers[holder].sessions.remove(session)
            holder = None
        expected = holder or self.expected_slot(session, avoid)
        try:
            request = SlotRequest(overflow="queue" if wait else "reject")
            slot = self.runner.run(self.router.allocate(session, request, avoid))
        except SessionOver:
            assert session in self.over
            return
        except NoCapacity:
            assert expected is None
            assert not wait
            self.waiting = [each for each in self.waiting if each != session]
            return
        assert session not in self.over
        if isinstance(slot, QueuePosition):
            assert wait
            assert expected is None
            if session not in self.waiting:
                self.waiting.append(session)
            assert slot.position == self.waiting.index(session) + 1
            return
        assert slot.worker_id == expected
        self.workers[slot.worker_id].sessions.add(session)
        self.waiting = [each for each in self.waiting if each != session]

    @rule(sessions=st.lists(SESSIONS, min_size=1, max_size=4, unique=True), queue=st.booleans())
    def end_some(self, sessions: list[str], queue: bool) -> None:
        for session in sessions:
            self.end(session, queue)

    def end(self, session: str, only_the_queue: bool) -> None:
        if only_the_queue:
            assert self.runner.run(self.router.leave(session)) == (session in self.waiting)
        else:
            holder = self.holder(session)
            held = self.runner.run(self.router.release(session, "ended", 1.0))
            assert held == (holder is not None)
            if holder is not None:
                self.workers[holder].sessions.remove(session)
            self.over.add(session)
        self.waiting = [each for each in self.waiting if each != session]

    @invariant()
    def redis_agrees(self) -> None:
        with self.redis.client() as look:
            for worker, expected in self.workers.items():
                assert look.smembers(self.redis.keys.worker_sessions(worker)) == expected.sessions
                assert look.hget(self.redis.keys.worker(worker), "active_sessions") == str(
                    len(expected.sessions)
                )
                assert look.hget(self.redis.keys.worker(worker), "status") == expected.status
            active = set().union(*(e.sessions for e in self.workers.values()))
            assert look.smembers(self.redis.keys.active) == active
            assert set(look.zrange(self.redis.keys.leases, 0, -1)) == active
            assert set(look.zrange(self.redis.keys.started, 0, -1)) == active
            assert look.zrange(self.redis.keys.queue, 0, -1) == self.waiting
            assert set(look.hkeys(self.redis.keys.queue_requests)) == set(self.waiting)
            for session in active:
                assert look.hget(self.redis.keys.session(session), "status") == "active"


@pytest.mark.hypothesis  # `make fuzz` plays it too, with more examples.
@pytest.mark.timeout(900)
def test_slots_stay_exact(any_redis: AnyRedis) -> None:
    machine: Any = partial(SlotsMachine, any_redis)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=settings().max_examples // 5,  # 20, and 200 in `make fuzz`
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
