"""Starts the whole server, as `dalston-rt serve`: each line of the Procfile as often as the fan-out says."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dalston_realtime.protocol.errors import DalstonError
from runtime.extras import require_extra
from runtime.procfile import STOP_SIGNALS, honcho_command, with_env_file, with_interpreter
from stages.topology import honcho_concurrency, parse_fanout

Processes = Annotated[
    list[str] | None,
    typer.Argument(metavar="PROCESS", help="Only these, such as broker and gateway.", show_default=False),
]


def serve(processes: Processes = None) -> None:
    """Start the server and run it until Ctrl-C; a second one ends it at once.

    A process that ends by itself is started again. If it ends six times in two minutes, all are stopped.

    Settings are environment variables DALSTON_..., and lines of the file .env for what these do not name.

    The exit code is 0 after Ctrl-C or SIGTERM and 2 for a bad argument or file .env. After any other code
    the last line says which process could not be kept running, and why.
    """
    try:
        require_extra("server", "serve")
        _become_supervisor(processes or [])
    except DalstonError as error:
        print(f"dalston-rt: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _become_supervisor(processes: list[str]) -> NoReturn:
    """Go on as the supervisor in this very process, so that a signal to it is a signal to that."""
    environment = with_env_file(os.environ, Path(".env"))
    counts = parse_fanout(environment.get("DALSTON_FANOUT", ""))
    command = honcho_command(
        concurrency=honcho_concurrency(counts), processes=processes, module="runtime.supervisor"
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # They wait until the supervisor can take them.
    # The programs of a wheel must not come from a folder of the same name where it is started.
    os.execve(command[0], command, {**with_interpreter(environment), "PYTHONSAFEPATH": "1"})
