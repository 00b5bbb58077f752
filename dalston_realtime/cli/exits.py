"""Turns errors into one line on stderr and an exit code that a script can use."""

import asyncio
import sys
from collections.abc import Coroutine
from enum import IntEnum
from typing import Any, TypeVar

import typer

from dalston_realtime.client.errors import (
    ClientError,
    ForbiddenError,
    InvalidParameterError,
    NoCapacityError,
    RefusedError,
    TooManySessionsError,
    UnauthorizedError,
    UnreachableError,
    UsageError,
    one_line,
)

T = TypeVar("T")


class ExitCode(IntEnum):
    """What the exit codes say."""

    OK = 0
    FAULT = 1
    USAGE = 2
    UNREACHABLE = 3
    NO_CAPACITY = 4
    INCOMPLETE = 5
    INTERRUPTED = 130


HELP = """Exit codes:
0  all is well
1  an unexpected fault
2  a bad argument, file or parameter
3  the server can't be reached
4  the server has no free slot
5  the session broke off, the transcript is incomplete
130  Ctrl-C
With several files: the code of the first that failed."""

_USAGE = (UsageError, InvalidParameterError, UnauthorizedError, ForbiddenError)
_BUSY = (NoCapacityError, TooManySessionsError)
_BY_STATUS = {
    400: ExitCode.USAGE,
    401: ExitCode.USAGE,
    403: ExitCode.USAGE,
    404: ExitCode.USAGE,
    409: ExitCode.USAGE,
    429: ExitCode.NO_CAPACITY,
    503: ExitCode.NO_CAPACITY,
}


def exit_code(error: ClientError) -> ExitCode:
    """The exit code for an error."""
    if isinstance(error, _USAGE):
        return ExitCode.USAGE
    if isinstance(error, _BUSY):
        return ExitCode.NO_CAPACITY
    if isinstance(error, RefusedError):
        return _BY_STATUS.get(error.status, ExitCode.UNREACHABLE)
    if isinstance(error, UnreachableError):
        return ExitCode.UNREACHABLE
    return ExitCode.INCOMPLETE


def complain(message: object) -> None:
    """Say in one line on stderr what is wrong."""
    print(f"dalston-rt: {one_line(message, 1_000)}", file=sys.stderr, flush=True)


def run_command(command: Coroutine[Any, Any, T]) -> T:
    """What an async command returns; an expected error ends the program with its code."""
    try:
        return asyncio.run(command)
    except ClientError as error:
        complain(error)
        raise typer.Exit(exit_code(error)) from None
