"""Builds the command `dalston-rt`: live transcription from a terminal or a script.

Other packages add commands of their own by the entry point group `dalston_rt.commands`: a function becomes
a command, a `typer.Typer` a group of commands.

Exit codes: 0 all is well; 1 an unexpected fault; 2 a bad argument, file or parameter; 3 the server
can't be reached; 4 it has no free slot; 5 the session broke off and the transcript is incomplete;
130 Ctrl-C.
"""

import errno
import sys
from importlib.metadata import entry_points, version
from typing import Annotated, Final

import typer

from dalston_realtime.cli.commands.delete import delete
from dalston_realtime.cli.commands.drain import drain
from dalston_realtime.cli.commands.export import export
from dalston_realtime.cli.commands.job import job
from dalston_realtime.cli.commands.mic import mic
from dalston_realtime.cli.commands.models import models
from dalston_realtime.cli.commands.sessions import sessions
from dalston_realtime.cli.commands.show import show
from dalston_realtime.cli.commands.transcribe import transcribe
from dalston_realtime.cli.commands.workers import workers
from dalston_realtime.cli.display.view import discard_output
from dalston_realtime.cli.exits import HELP, ExitCode, complain
from dalston_realtime.cli.key_option import with_key

_UNWRITABLE: Final = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
GROUP: Final = "dalston_rt.commands"

app = typer.Typer(
    name="dalston-rt",
    help="Live speech-to-text on a dalston-realtime server.",
    epilog=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"dalston-rt {version('dalston-realtime')}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Live speech-to-text on a dalston-realtime server."""


for command in (transcribe, mic, sessions, show, export, delete, job, workers, models, drain):
    app.command(epilog=HELP)(with_key(command))


def add_commands() -> None:
    """Add what other installed packages bring."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        command = entry.load()
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=entry.name)
        else:
            app.command(entry.name)(command)  # Its own help says its exit codes.


def main() -> None:
    """Run the command line."""
    add_commands()
    try:
        _run_and_flush()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        discard_output(sys.stdout)
        if error.errno != errno.EPIPE:
            complain(f"the output can't be written ({error.strerror})")
            raise SystemExit(ExitCode.USAGE) from None
        raise SystemExit(ExitCode.FAULT) from None


def _run_and_flush() -> None:
    """What is still held back is written while an error can be said."""
    try:
        app()
    finally:
        sys.stdout.flush()
