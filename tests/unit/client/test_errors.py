"""Checks that close codes and HTTP answers become typed errors of one line, each with its exit code."""

from typing import Any

import pytest

from dalston_realtime.cli.exits import ExitCode, exit_code
from dalston_realtime.client import errors
from dalston_realtime.protocol.close_codes import CloseCode

CLOSED = {
    CloseCode.INTERNAL: (errors.InternalError, True, ExitCode.INCOMPLETE),
    CloseCode.RESTARTING: (errors.RestartingError, True, ExitCode.INCOMPLETE),
    CloseCode.UNAUTHORIZED: (errors.UnauthorizedError, False, ExitCode.USAGE),
    CloseCode.FORBIDDEN: (errors.ForbiddenError, False, ExitCode.USAGE),
    CloseCode.IDLE_TIMEOUT: (errors.IdleTimeoutError, False, ExitCode.INCOMPLETE),
    CloseCode.SESSION_TOO_LONG: (errors.SessionTooLongError, False, ExitCode.INCOMPLETE),
    CloseCode.LAG_EXCEEDED: (errors.LagExceededError, False, ExitCode.INCOMPLETE),
    CloseCode.INVALID_REQUEST: (errors.InvalidRequestError, False, ExitCode.INCOMPLETE),
    CloseCode.TOO_MANY_SESSIONS: (errors.TooManySessionsError, False, ExitCode.NO_CAPACITY),
    CloseCode.NO_CAPACITY: (errors.NoCapacityError, False, ExitCode.NO_CAPACITY),
    1006: (errors.ConnectionLostError, True, ExitCode.INCOMPLETE),
    4999: (errors.SessionClosedError, False, ExitCode.INCOMPLETE),
}


@pytest.mark.parametrize("code", CLOSED)
def test_each_close_code_has_its_error(code: int) -> None:
    kind, resumable, exits = CLOSED[code]

    error = errors.session_closed(code, "why")

    assert type(error) is kind
    assert (error.code, error.message, error.resumable) == (code, "why", resumable)
    assert "why" in str(error)
    assert exit_code(error) is exits


def test_every_close_code_of_the_protocol_is_in_the_table() -> None:
    assert set(CloseCode) - {CloseCode.NORMAL} <= set(CLOSED)


def test_no_capacity_says_when_to_come_back() -> None:
    error = errors.session_closed(CloseCode.NO_CAPACITY, "all 4 places are taken", 2.5)

    assert isinstance(error, errors.NoCapacityError)
    assert error.retry_after == 2.5
    assert "all 4 places are taken; try again in 2.5 s" in str(error)


def test_a_refused_parameter_is_named() -> None:
    body = {"error": {"code": "invalid_parameter", "param": "sample_rate", "message": "too low"}}

    error = errors.refused(400, body)

    assert isinstance(error, errors.InvalidParameterError)
    assert (error.param, error.message, error.status) == ("sample_rate", "too low", 400)
    assert str(error) == "the server does not take this sample_rate: too low"
    assert exit_code(error) is ExitCode.USAGE


@pytest.mark.parametrize(
    ("status", "body", "says", "exits"),
    [
        (503, {"error": {"code": "busy", "message": "later"}}, "busy", ExitCode.NO_CAPACITY),
        (403, {"error": {"code": "forbidden", "message": "no"}}, "forbidden", ExitCode.USAGE),
        (404, "Not Found", "Not Found", ExitCode.USAGE),
        (502, "<html>\x1b[31m\n</html>", "502", ExitCode.UNREACHABLE),
        (500, None, "500", ExitCode.UNREACHABLE),
        (500, {"error": "flat"}, "500", ExitCode.UNREACHABLE),
    ],
)
def test_any_other_refusal_is_one_line(status: int, body: Any, says: str, exits: ExitCode) -> None:
    error = errors.refused(status, body)

    assert says in str(error)
    assert str(error).isprintable()
    assert exit_code(error) is exits


def test_an_unreachable_server_is_named_and_what_to_do_is_said() -> None:
    error = errors.UnreachableError("ws://host:1", "connection refused")

    assert "ws://host:1" in str(error)
    assert "make run" in str(error)
    assert exit_code(error) is ExitCode.UNREACHABLE
