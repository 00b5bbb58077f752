"""Checks that close codes and HTTP answers become typed errors of one line."""

from typing import Any

import pytest

from dalston_realtime.client import errors
from dalston_realtime.protocol.close_codes import CloseCode

CLOSED = {
    CloseCode.INTERNAL: (errors.InternalError, True),
    CloseCode.RESTARTING: (errors.RestartingError, True),
    CloseCode.UNAUTHORIZED: (errors.UnauthorizedError, False),
    CloseCode.FORBIDDEN: (errors.ForbiddenError, False),
    CloseCode.IDLE_TIMEOUT: (errors.IdleTimeoutError, False),
    CloseCode.SESSION_TOO_LONG: (errors.SessionTooLongError, False),
    CloseCode.LAG_EXCEEDED: (errors.LagExceededError, False),
    CloseCode.INVALID_REQUEST: (errors.InvalidRequestError, False),
    CloseCode.TOO_MANY_SESSIONS: (errors.TooManySessionsError, False),
    CloseCode.NO_CAPACITY: (errors.NoCapacityError, False),
    1006: (errors.ConnectionLostError, True),
    4999: (errors.SessionClosedError, False),
}


@pytest.mark.parametrize("code", CLOSED)
def test_each_close_code_has_its_error(code: int) -> None:
    kind, resumable = CLOSED[code]

    error = errors.session_closed(code, "why")

    assert type(error) is kind
    assert (error.code, error.message, error.resumable) == (code, "why", resumable)
    assert "why" in str(error)


def test_every_close_code_of_the_protocol_is_in_the_table() -> None:
    assert set(CloseCode) - {CloseCode.NORMAL} <= set(CLOSED)


def test_no_capacity_says_when_to_come_back() -> None:
    error = errors.session_closed(CloseCode.NO_CAPACITY, "all 4 slots are taken", 2.5)

    assert isinstance(error, errors.NoCapacityError)
    assert error.retry_after == 2.5
    assert "all 4 slots are taken; try again in 2.5 s" in str(error)


def test_a_refused_parameter_is_named() -> None:
    body = {"error": {"code": "invalid_parameter", "param": "sample_rate", "message": "too low"}}

    error = errors.refused(400, body)

    assert isinstance(error, errors.InvalidParameterError)
    assert (error.param, error.message, error.status) == ("sample_rate", "too low", 400)
    assert str(error) == "the server does not take this sample_rate: too low"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, {"error": {"code": "busy", "message": "later"}}, "busy"),
        (403, {"error": {"code": "forbidden", "message": "no"}}, "forbidden"),
        (404, "Not Found", "Not Found"),
        (502, "<html>\x1b[31m\n</html>", "502"),
        (500, None, "500"),
        (500, {"error": "flat"}, "500"),
    ],
)
def test_any_other_refusal_is_one_line(status: int, body: Any, says: str) -> None:
    error = errors.refused(status, body)

    assert says in str(error)
    assert str(error).isprintable()


def test_an_unreachable_server_is_named_and_what_to_do_is_said() -> None:
    error = errors.UnreachableError("ws://host:1", "connection refused")

    assert "ws://host:1" in str(error)
    assert "make run" in str(error)
