"""Slots that are released however often Redis fails."""

import asyncio
from typing import Any

import pytest
import structlog

from broker.errors import RegistryUnavailable
from gateway.capacity.releases import ReleaseLimits, Releases
from gateway.metrics import GatewayMetrics
from tests.support.virtual_time import VirtualClock, run_virtually


class FlakyRouter:
    """A router that fails a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.released: list[tuple[str, str, float]] = []

    async def release(self, session_id: str, status: str, audio_duration: float) -> bool:
        """Fail, or note the release."""
        if self.failures:
            self.failures -= 1
            raise RegistryUnavailable("away")
        self.released.append((session_id, status, audio_duration))
        return True


def releasing(router: Any, limits: ReleaseLimits | None = None) -> Releases:
    """Releases at a router."""
    return Releases(router, GatewayMetrics(), limits)


def test_slots_are_released_in_order_however_often_redis_fails() -> None:
    async def main(_clock: VirtualClock) -> None:
        releases = releasing(router)
        running = asyncio.create_task(releases.run())
        releases.enqueue("a", "ended", 1.0)
        releases.enqueue("b", "error", 2.0)
        await releases.wait_done(5)
        running.cancel()
        await asyncio.wait([running])

    router = FlakyRouter(failures=3)
    run_virtually(main)
    assert router.released == [("a", "ended", 1.0), ("b", "error", 2.0)]


@pytest.mark.parametrize("limits", [ReleaseLimits(waiting=1), ReleaseLimits(keep_trying=-1.0)])
def test_what_waits_to_be_released_is_bounded(
    limits: ReleaseLimits,
) -> None:
    async def main(_clock: VirtualClock) -> None:
        releases = releasing(FlakyRouter(failures=1), limits)
        running = asyncio.create_task(releases.run())
        releases.enqueue("a", "ended", 1.0)
        releases.enqueue("b", "ended", 1.0)
        await releases.wait_done(5)
        running.cancel()
        await asyncio.wait([running])

    with structlog.testing.capture_logs() as lines:
        run_virtually(main)
    given_up = [line for line in lines if line["event"] == "a slot is not released, its lease runs out"]
    assert [line["session"] for line in given_up] == ["a"]


def test_a_release_is_waited_for_only_so_long(caplog: pytest.LogCaptureFixture) -> None:
    async def main(_clock: VirtualClock) -> None:
        releases = releasing(FlakyRouter(0))
        releases.enqueue("a", "ended", 1.0)
        await releases.wait_done(0.01)

    run_virtually(main)
    assert "slots not released: 1" in caplog.text
