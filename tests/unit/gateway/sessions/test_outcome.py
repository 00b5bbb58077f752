"""How a session ends: what a worker's close means for the client."""

import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.sessions.outcome import SessionOutcome


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
    outcome = SessionOutcome.by_worker(code, reason, told)
    assert outcome.code is expected
    assert (outcome.event.code if outcome.event else None) == error
    assert outcome.name == expected.error
    assert outcome.status == ("ended" if expected is CloseCode.NORMAL else "error")


def test_a_client_that_leaves_ends_its_session_without_an_error() -> None:
    assert (SessionOutcome(None).name, SessionOutcome(None).status) == ("client_gone", "ended")
