"""The small parts of a session: how it ends, who ends first, places given back, frames decoded."""

import asyncio
from typing import Any

import pytest

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.close_codes import CloseCode
from gateway.capacity.releases import Releases
from gateway.concurrency import first_of
from gateway.metrics import GatewayMetrics
from gateway.sessions.outcome import SessionOutcome
from gateway.workers.connection import decode_event


@pytest.mark.parametrize(
    ("code", "reason", "told", "expected", "error"),
    [
        (1000, "", None, CloseCode.NORMAL, None),
        (4010, "lag_exceeded", "lag_exceeded", CloseCode.LAG_EXCEEDED, None),
        (4010, "lag_exceeded", None, CloseCode.LAG_EXCEEDED, "lag_exceeded"),
        (4008, "", "lag_exceeded", CloseCode.IDLE_TIMEOUT, "idle_timeout"),
        (1012, "restarting", None, CloseCode.RESTARTING, "restarting"),
        (None, "", None, CloseCode.INTERNAL, "internal"),
        (1001, "bye", None, CloseCode.INTERNAL, "internal"),
        (1009, "", "internal", CloseCode.INTERNAL, "internal"),
        (4999, "", None, CloseCode.INTERNAL, "internal"),
    ],
)
def test_what_a_workers_close_means_for_the_client(
    code: int | None, reason: str, told: str | None, expected: CloseCode, error: str | None
) -> None:
    ending = SessionOutcome.by_worker(code, reason, told)
    assert ending.code is expected
    assert (ending.event["code"] if ending.event else None) == error
    assert ending.name == expected.error
    assert ending.status == ("ended" if expected is CloseCode.NORMAL else "error")


def test_a_client_that_leaves_ends_its_session_without_an_error() -> None:
    assert (SessionOutcome(None).name, SessionOutcome(None).status) == ("client_gone", "ended")


@pytest.mark.parametrize("frame", [b"{}", "", "{", "[]", "3", '{"type":1}', '{"text":"x"}', "\ud800"])
def test_a_frame_that_is_no_event_is_none(frame: bytes | str) -> None:
    assert decode_event(frame) is None


def test_an_event_is_decoded() -> None:
    assert decode_event('{"type":"a","n":1}') == {"type": "a", "n": 1}


def test_the_first_outcome_counts_and_the_others_are_gone() -> None:
    gone = []

    async def forever() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(True)
        return "never"

    async def fail() -> str:
        raise ValueError("first")

    async def say(word: str) -> str:
        return word

    assert asyncio.run(_first(forever(), say("a"), say("b"))) == "a"
    with pytest.raises(ValueError, match="first"):
        asyncio.run(_first(forever(), fail()))
    assert gone == [True, True]


async def _first(*coroutines: Any) -> str:
    return str(await first_of(*coroutines))


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


def releasing(router: Any, monkeypatch: pytest.MonkeyPatch, **limits: Any) -> Releases:
    """Releases that retry at once."""
    for name, value in ({"RETRY_S": 0.0} | limits).items():
        monkeypatch.setattr(f"gateway.capacity.releases.{name}", value)
    return Releases(router, GatewayMetrics())


def test_places_are_given_back_in_order_however_often_redis_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        releases = releasing(router, monkeypatch)
        running = asyncio.create_task(releases.run())
        releases.add("a", "ended", 1.0)
        releases.add("b", "error", 2.0)
        await releases.finish(5)
        running.cancel()
        await asyncio.wait([running])

    router = FlakyRouter(failures=3)
    asyncio.run(main())
    assert router.released == [("a", "ended", 1.0), ("b", "error", 2.0)]


@pytest.mark.parametrize("limits", [{"MAX_WAITING": 1}, {"KEEP_TRYING_S": -1.0}])
def test_what_waits_to_be_given_back_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limits: dict[str, Any]
) -> None:
    async def main() -> None:
        releases = releasing(FlakyRouter(failures=1), monkeypatch, **limits)
        running = asyncio.create_task(releases.run())
        releases.add("a", "ended", 1.0)
        releases.add("b", "ended", 1.0)
        await releases.finish(5)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())
    assert "gave up the release of session=a" in caplog.text
    assert "session=b" not in caplog.text


def test_giving_back_is_waited_for_only_so_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        releases = releasing(FlakyRouter(0), monkeypatch)
        releases.add("a", "ended", 1.0)
        await releases.finish(0.01)

    asyncio.run(main())
    assert "places not given back: 1" in caplog.text
