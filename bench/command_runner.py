"""Runs one command of the benchmark, and turns its errors into a line on stderr and an exit code."""

from collections.abc import Callable
from pathlib import Path

import typer

from bench.extras import check_libraries
from dalston_realtime.cli.exits import ExitCode, complain, exit_code
from dalston_realtime.client.errors import ClientError
from dalston_realtime.protocol.errors import DalstonError
from runtime.local_server import LocalServerError


def run_command(command: Callable[[], int], *outputs: Path | None) -> None:
    """Run a command; an expected error becomes one line on stderr and an exit code.

    Missing libraries and `outputs` that can't be written are reported before anything is measured.
    """
    try:
        check_libraries()
        from bench.report.result_file import check_writable

        for path in filter(None, outputs):
            check_writable(path)
        code = command()
    except DalstonError as error:
        complain(error)
        code = _exit_code(error)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)


def _exit_code(error: DalstonError) -> ExitCode:
    if isinstance(error, LocalServerError):
        return ExitCode.UNREACHABLE
    return exit_code(error) if isinstance(error, ClientError) else ExitCode.USAGE
