"""Any order of beats, allocations, releases, losses and restarts keeps the places exact."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from broker.errors import NoCapacity, SessionOver
from broker.records import ModelInfo, WorkerRecord
from broker.registry import Registry
from broker.router import Router
from broker.settings import BrokerSettings
from tests.redis_fixture import RedisServer

MODEL = ModelInfo("fast", "tiny", "fake", ("en",), {})
WORKERS = st.sampled_from(["w1", "w2", "w3"])
SESSIONS = st.sampled_from([f"s{number}" for number in range(12)])


@dataclass
class Expected:
    """What a worker should look like."""

    capacity: int
    draining: bool
    sessions: set[str] = field(default_factory=set)


def places_machine(redis: RedisServer) -> type[RuleBasedStateMachine]:
    """A machine on a real Redis."""

    class Places(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            with redis.client() as look:
                look.flushall()
            self.runner = asyncio.Runner()
            self.router = Router.connect(BrokerSettings(redis_url=redis.url))
            self.registries: dict[str, Registry] = {}
            self.workers: dict[str, Expected] = {}
            self.over: set[str] = set()

        def teardown(self) -> None:
            self.runner.run(self.router.close())
            for registry in self.registries.values():
                self.runner.run(registry.close())
            self.runner.close()

        def holder(self, session: str) -> str | None:
            return next((w for w, e in self.workers.items() if session in e.sessions), None)

        @rule(worker=WORKERS, capacity=st.integers(1, 4), draining=st.booleans())
        def beat(self, worker: str, capacity: int, draining: bool) -> None:
            registry = self.registries.setdefault(worker, Registry.connect(redis.url))
            record = WorkerRecord(worker, f"ws://{worker}", capacity, (MODEL,), 0.0, draining)
            assert self.runner.run(registry.heartbeat(record)) == 0
            expected = self.workers.setdefault(worker, Expected(capacity, draining))
            expected.capacity, expected.draining = capacity, draining

        @rule(worker=WORKERS)
        def restart(self, worker: str) -> None:
            if worker not in self.workers:
                return
            self.runner.run(self.registries[worker].close())
            self.registries[worker] = Registry.connect(redis.url)
            record = WorkerRecord(worker, f"ws://{worker}", 2, (MODEL,))
            freed = self.runner.run(self.registries[worker].heartbeat(record))
            assert freed == len(self.workers[worker].sessions)
            self.over |= self.workers[worker].sessions
            self.workers[worker] = Expected(2, False)

        @rule(worker=WORKERS)
        def leave(self, worker: str) -> None:
            if worker in self.workers:
                self.runner.run(self.registries[worker].deregister(worker))
                self.over |= self.workers.pop(worker).sessions

        @rule(worker=WORKERS)
        def stop_beating(self, worker: str) -> None:
            if worker in self.workers:
                with redis.client() as look:
                    look.hset(f"dalston:realtime:worker:{worker}", "heartbeat_ms", 1)
                (lost,) = self.runner.run(self.router.sweep())
                assert set(lost.sessions) == self.workers[worker].sessions
                self.over |= self.workers.pop(worker).sessions

        @rule(session=SESSIONS, avoid=st.sets(WORKERS, max_size=1))
        def allocate(self, session: str, avoid: set[str]) -> None:
            holder = self.holder(session)
            if holder in avoid:
                self.workers[holder].sessions.remove(session)
            shares = {
                worker: (e.capacity - len(e.sessions)) / e.capacity
                for worker, e in self.workers.items()
                if not e.draining and worker not in avoid and len(e.sessions) < e.capacity
            }
            try:
                place = self.runner.run(self.router.allocate(session, "fast", "auto", avoid))
            except SessionOver:
                assert session in self.over
            except NoCapacity:
                assert not shares
            else:
                assert session not in self.over
                if holder is not None and holder not in avoid:
                    assert place.worker_id == holder
                else:
                    assert shares[place.worker_id] == max(shares.values())
                    self.workers[place.worker_id].sessions.add(session)

        @rule(session=SESSIONS)
        def release(self, session: str) -> None:
            holder = self.holder(session)
            held = self.runner.run(self.router.release(session, "ended", 1.0))
            assert held == (holder is not None)
            if holder is not None:
                self.workers[holder].sessions.remove(session)
            self.over.add(session)

        @invariant()
        def redis_agrees(self) -> None:
            with redis.client() as look:
                for worker, expected in self.workers.items():
                    key = f"dalston:realtime:worker:{worker}"
                    assert look.smembers(f"{key}:sessions") == expected.sessions
                    count = len(expected.sessions)
                    status = "busy" if count >= expected.capacity else "ready"
                    assert look.hget(key, "active_sessions") == str(count)
                    assert look.hget(key, "status") == ("draining" if expected.draining else status)
                active = set().union(*(e.sessions for e in self.workers.values()))
                assert look.smembers("dalston:realtime:sessions:active") == active
                for session in active:
                    assert look.hget(f"dalston:realtime:session:{session}", "status") == "active"

    return Places


@pytest.mark.timeout(60)
def test_places_stay_exact(shared_redis: RedisServer) -> None:
    run_state_machine_as_test(
        places_machine(shared_redis),
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
