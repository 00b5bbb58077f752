"""Defines the command `dalston-rt bench history`, which times questions to a history of many sessions."""

from pathlib import Path
from typing import Annotated

import typer

from bench.command_options import OutputFile, RoundCount
from bench.command_runner import run_command

Sessions = Annotated[int, typer.Option("--sessions", min=100, metavar="N", help="Sessions in the history.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="An empty database of PostgreSQL to measure as well."),
]


def history(
    *,
    sessions: Sessions = 100_000,
    rounds: RoundCount = 20,
    database_url: DatabaseUrl = None,
    out: OutputFile = Path("bench-history.json"),
) -> None:
    """Time a page, a filter and a search of a history with many sessions, on SQLite and PostgreSQL."""

    def command() -> int:
        from bench.scenarios.history import measure

        return measure(sessions, rounds, database_url, out)

    run_command(command, out)
