"""The snapshot of the workers: what is judged by it, and how often it is read."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from broker.errors import RegistryUnavailable
from broker.records import WorkerInfo
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.capacity.directory import WorkerDirectory
from tests.support.workers import BUSY, DRAINING, LARGE, OFFLINE, WORKER, view


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ((), "unavailable"),
        ((OFFLINE,), "unavailable"),
        ((BUSY, OFFLINE), "at_capacity"),
        ((DRAINING,), "at_capacity"),
        ((BUSY, WORKER), "ready"),
    ],
)
def test_the_status_of_all_workers(workers: tuple[WorkerInfo, ...], status: str) -> None:
    assert view(*workers).status == status


@pytest.mark.parametrize(
    ("model", "language"),
    [("fast", "auto"), ("fast", "en"), ("tiny", "en"), ("large", "de"), ("accurate", "de")],
)
def test_what_a_live_worker_can_serve_is_right(model: str, language: str) -> None:
    view(WORKER, BUSY).check(model, language)


@pytest.mark.parametrize(
    ("model", "language", "param", "says"),
    [
        ("huge", "auto", "model", "there are fast, accurate, large, tiny"),
        ("fast", "de", "language", "it knows auto, en"),
        ("large", "fr", "language", "it knows auto, de, en"),
    ],
)
def test_what_no_live_worker_can_serve_is_named(model: str, language: str, param: str, says: str) -> None:
    with pytest.raises(InvalidParameter, match=says) as refused:
        view(WORKER, BUSY).check(model, language)
    assert refused.value.param == param


def test_both_variants_of_one_model_are_judged_and_its_name_is_said_once() -> None:
    both = replace(WORKER, models=(LARGE, replace(LARGE, variant="fast")))
    for variant in ("fast", "accurate"):
        with pytest.raises(InvalidParameter, match=f"{variant} does not know fr"):
            view(both).check(variant, "fr")
    with pytest.raises(InvalidParameter, match=r"there are fast, accurate, large$"):
        view(both).check("huge", "en")


def test_variants_are_always_names_and_without_workers_nothing_is_judged() -> None:
    view(WORKER).check("accurate", "fr")
    view(OFFLINE).check("large", "fr")
    view().check("anything", "fr")


class ListingRouter:
    """A router whose answers are set by hand."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: list[WorkerInfo] | RegistryUnavailable = [WORKER]

    async def workers(self) -> list[WorkerInfo]:
        """The answer of the moment."""
        self.calls += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, RegistryUnavailable):
            raise self.answer
        return self.answer


def directory(router: Any, times: list[float]) -> WorkerDirectory:
    """A directory on a clock that shows the last of `times`."""
    return WorkerDirectory(router, lambda: times[-1])


def test_a_flood_of_questions_is_one_call_a_second() -> None:
    async def main() -> None:
        router, times = ListingRouter(), [0.0]
        it = directory(router, times)
        views = await asyncio.gather(*(it.get() for _ in range(100)))
        assert router.calls == 1
        assert all(found.workers == (WORKER,) for found in views)
        times.append(0.9)
        await it.get()
        assert router.calls == 1
        times.append(1.0)
        await it.get()
        assert router.calls == 2

    asyncio.run(main())


def test_an_absent_redis_is_asked_once_a_second_too() -> None:
    async def main() -> None:
        router, times = ListingRouter(), [0.0]
        router.answer = RegistryUnavailable("away")
        it = directory(router, times)
        outcomes = await asyncio.gather(*(it.get() for _ in range(50)), return_exceptions=True)
        assert router.calls == 1
        assert all(isinstance(outcome, RegistryUnavailable) for outcome in outcomes)
        router.answer = [WORKER]
        times.append(1.0)
        assert (await it.get()).free == 3

    asyncio.run(main())


def test_capacity_counts_only_once_a_worker_has_been_seen_to_beat() -> None:
    async def main() -> None:
        router, times = ListingRouter(), [0.0]
        it = directory(router, times)
        assert not (await it.get_beating()).free
        times.append(1.0)
        assert not (await it.get_beating()).free
        times.append(2.0)
        router.answer = [replace(WORKER, heartbeat_ms=2)]
        assert (await it.get_beating()).free
        times.append(3.0)
        router.answer = [BUSY]
        assert not (await it.get_beating()).free

    asyncio.run(main())


def test_a_worker_that_comes_later_counts_at_once() -> None:
    async def main() -> None:
        router, times = ListingRouter(), [0.0]
        it = directory(router, times)
        router.answer = []
        assert not (await it.get_beating()).free
        times.append(1.0)
        router.answer = [WORKER]
        assert (await it.get_beating()).free

    asyncio.run(main())
