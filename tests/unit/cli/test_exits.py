"""Checks the exit code for each error."""

import pytest

from dalston_realtime.cli.exits import ExitCode, complain, exit_code
from dalston_realtime.client import errors
from dalston_realtime.protocol.close_codes import CloseCode

CLOSED = {
    CloseCode.INTERNAL: ExitCode.INCOMPLETE,
    CloseCode.RESTARTING: ExitCode.INCOMPLETE,
    CloseCode.UNAUTHORIZED: ExitCode.USAGE,
    CloseCode.FORBIDDEN: ExitCode.USAGE,
    CloseCode.IDLE_TIMEOUT: ExitCode.INCOMPLETE,
    CloseCode.SESSION_TOO_LONG: ExitCode.INCOMPLETE,
    CloseCode.LAG_EXCEEDED: ExitCode.INCOMPLETE,
    CloseCode.INVALID_REQUEST: ExitCode.INCOMPLETE,
    CloseCode.TOO_MANY_SESSIONS: ExitCode.NO_CAPACITY,
    CloseCode.NO_CAPACITY: ExitCode.NO_CAPACITY,
    1006: ExitCode.INCOMPLETE,
    4999: ExitCode.INCOMPLETE,
}
REFUSED = {
    400: ExitCode.USAGE,
    401: ExitCode.USAGE,
    403: ExitCode.USAGE,
    404: ExitCode.USAGE,
    429: ExitCode.NO_CAPACITY,
    500: ExitCode.UNREACHABLE,
    502: ExitCode.UNREACHABLE,
    503: ExitCode.NO_CAPACITY,
}


@pytest.mark.parametrize("code", CLOSED)
def test_each_close_code_has_its_exit_code(code: int) -> None:
    assert exit_code(errors.session_closed(code, "why")) is CLOSED[code]


def test_every_close_code_of_the_protocol_is_in_the_table() -> None:
    assert set(CloseCode) - {CloseCode.NORMAL} <= set(CLOSED)


@pytest.mark.parametrize("status", REFUSED)
def test_each_http_status_has_its_exit_code(status: int) -> None:
    assert exit_code(errors.refused(status, None)) is REFUSED[status]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError("odd"), ExitCode.USAGE),
        (errors.AudioError("odd"), ExitCode.USAGE),
        (errors.OutputError("odd"), ExitCode.USAGE),
        (errors.InvalidParameterError("sample_rate", "too low"), ExitCode.USAGE),
        (errors.UnreachableError("ws://host:1", "connection refused"), ExitCode.UNREACHABLE),
        (errors.ProtocolError("odd"), ExitCode.INCOMPLETE),
    ],
)
def test_each_other_error_has_its_exit_code(error: errors.ClientError, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_a_complaint_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    complain("odd\n\x1b[31m")

    assert capsys.readouterr() == ("", "dalston-rt: odd [31m\n")
