"""The command `dalston-rt`: live transcription from a terminal or a script.

Exit codes: 0 all is well; 1 an unexpected fault; 2 a bad argument, file or parameter; 3 the server
can't be reached; 4 it has no free place; 5 the session broke off and the transcript is incomplete;
130 Ctrl-C.
"""

import typer

from client.commands import bench
from client.commands.drain import drain
from client.commands.exits import HELP
from client.commands.mic import mic
from client.commands.models import models
from client.commands.transcribe import transcribe
from client.commands.workers import workers

app = typer.Typer(
    name="dalston-rt",
    help="Live speech-to-text on a dalston-realtime server.",
    epilog=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=HELP)(transcribe)
app.command(epilog=HELP)(mic)
app.command(epilog=HELP)(workers)
app.command(epilog=HELP)(models)
app.add_typer(bench.app, name="bench")
app.command(epilog=HELP)(drain)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
