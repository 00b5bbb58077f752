"""What is known of the ways to workers: tried when somebody asks, not too often, and told as a state."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

import pytest

from broker.records import WorkerInfo
from gateway.capacity.directory import WorkerDirectory, WorkerSnapshot
from gateway.workers.reachability import Readiness, ServiceState, WorkerReachability
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

WORKER = WorkerInfo("a", "ws://a", "ready", 2, 0, (), 0.0, "", 1, "", None, None)
FULL = replace(WORKER, worker_id="b", status="busy", active_sessions=2)


class Attempts:
    """Tries of workers, whose outcomes are set by hand."""

    def __init__(self, **problems: str) -> None:
        self.problems, self.made, self.seconds = problems, list[str](), 0.0

    async def __call__(self, worker: WorkerInfo) -> str | None:
        """Try one."""
        self.made.append(worker.worker_id)
        await asyncio.sleep(self.seconds)
        return self.problems.get(worker.worker_id)


def play(attempts: Attempts, test: Callable[[WorkerReachability], Awaitable[None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        await test(WorkerReachability(attempts, lambda: clock.nanoseconds() / 1e9))

    run_virtually(main)


def test_a_worker_is_tried_at_first_and_then_now_and_again() -> None:
    attempts = Attempts(b="it is away")

    async def test(it: WorkerReachability) -> None:
        assert await it.check([WORKER, FULL]) == {"b": "it is away"}
        assert await it.check([WORKER, FULL]) == {"b": "it is away"}
        assert attempts.made == ["a", "b"]
        attempts.problems = {}
        await pass_time(2.5)
        await it.check([WORKER, FULL])  # It does not wait for the second try.
        await pass_time(0.1)
        assert await it.check([WORKER, FULL]) == {}
        assert attempts.made == ["a", "b", "b"]
        await pass_time(10.5)
        await it.check([WORKER, FULL])
        await pass_time(0.1)
        assert attempts.made == ["a", "b", "b", "a", "b"]

    play(attempts, test)


def test_a_worker_that_is_gone_or_moved_has_no_old_problem() -> None:
    attempts = Attempts(a="it is away")

    async def test(it: WorkerReachability) -> None:
        assert await it.check([WORKER])
        assert await it.check([FULL]) == {}
        assert await it.check([WORKER])
        attempts.problems = {}
        assert await it.check([replace(WORKER, endpoint="ws://elsewhere")]) == {}

    play(attempts, test)


def test_who_asks_does_not_wait_long_for_a_worker_that_does_not_answer() -> None:
    attempts = Attempts(a="no answer in time")
    attempts.seconds = 2.0

    async def test(it: WorkerReachability) -> None:
        async with asyncio.timeout(0.5):
            assert await it.check([WORKER]) == {}
        await pass_time(2.0)
        assert it.problems == {"a": "no answer in time"}
        assert attempts.made == ["a"]

    play(attempts, test)


class FixedDirectory:
    """A directory of these workers."""

    def __init__(self, *workers: WorkerInfo) -> None:
        self._workers = workers

    async def get_beating(self) -> WorkerSnapshot:
        """All of them."""
        return WorkerSnapshot(self._workers)


@pytest.mark.parametrize(
    ("workers", "problems", "state"),
    [
        ((), {}, ServiceState("no_worker")),
        ((replace(WORKER, status="offline"),), {}, ServiceState("no_worker")),
        ((WORKER, FULL), {}, ServiceState("ready")),
        ((FULL,), {}, ServiceState("at_capacity")),
        ((replace(WORKER, status="draining"),), {}, ServiceState("at_capacity")),
        ((WORKER, FULL), {"a": "x"}, ServiceState("at_capacity", ("x",))),
        ((WORKER, FULL), {"b": "y"}, ServiceState("ready", ("y",))),
        ((WORKER, FULL), {"b": "y", "a": "x"}, ServiceState("workers_unreachable", ("x", "y"))),
    ],
)
def test_full_is_not_broken(
    workers: tuple[WorkerInfo, ...], problems: dict[str, str], state: ServiceState
) -> None:
    async def test(it: WorkerReachability) -> None:
        directory = cast(WorkerDirectory, FixedDirectory(*workers))
        assert await Readiness(directory, it).assess() == state

    play(Attempts(**problems), test)
