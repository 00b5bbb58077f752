"""Tests the sweeper's period and its end by a clock that a test moves, and what it logs."""

import asyncio
import logging
from typing import Any

import pytest

from broker.errors import RegistryUnavailable
from broker.router import LostWorker, SweepResult
from broker.sweeper import run_sweeper, sweep_once


class SweptRouter:
    """Sweeps without Redis: notes when, and gives or raises what it was told."""

    def __init__(self, *results: SweepResult | RegistryUnavailable) -> None:
        self.now, self.swept = 100.0, list[float]()
        self._results = list(results)

    async def sweep(self) -> SweepResult:
        """The next result."""
        self.swept.append(self.now)
        result = self._results.pop(0) if self._results else SweepResult((), ())
        if isinstance(result, RegistryUnavailable):
            raise result
        return result


class StopAfter:
    """A signal that comes after so many sleeps, each of which moves the router's clock."""

    def __init__(self, router: SweptRouter, sleeps: int) -> None:
        self.requested = False
        self.slept: list[float] = []
        self._router, self._sleeps = router, sleeps

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self._router.now += seconds
        self.requested = len(self.slept) == self._sleeps


def run(router: SweptRouter, interval: float, sleeps: int) -> StopAfter:
    """Run a sweeper until it has slept so often."""
    stop = StopAfter(router, sleeps)
    fake_router: Any = router
    fake_stop: Any = stop
    asyncio.run(run_sweeper(fake_router, interval, fake_stop, lambda: router.now, stop.sleep))
    return stop


def test_it_sweeps_at_once_and_then_every_interval() -> None:
    router = SweptRouter()
    run(router, 1.0, 70)
    assert router.swept == pytest.approx([100.0, 101.0, 102.0, 103.0], abs=0.2)


def test_it_looks_at_the_signal_twenty_times_a_second_and_sweeps_no_more_after_it() -> None:
    router = SweptRouter()
    assert set(run(router, 1.0, 5).slept) == {0.05}
    assert len(router.swept) == 1
    assert set(run(SweptRouter(), 0.01, 5).slept) == {0.01}


def test_it_goes_on_when_redis_is_away() -> None:
    router = SweptRouter(RegistryUnavailable("away"), RegistryUnavailable("away"))
    run(router, 0.05, 4)
    assert len(router.swept) >= 3


def test_it_says_which_workers_are_lost_and_how_many_sessions_are_freed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router: Any = SweptRouter(SweepResult((LostWorker("w1", ("a", "b")),), ("c",)))
    with caplog.at_level(logging.WARNING):
        asyncio.run(sweep_once(router))
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    freed = {line["event"]: line["sessions_freed"] for line in lines}
    assert freed == {"a worker is offline": 2, "a gateway is gone": 1}
