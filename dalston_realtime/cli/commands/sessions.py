"""Defines `dalston-rt sessions`, which lists the sessions that the server keeps."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import history
from dalston_realtime.client.errors import one_line
from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.url import DEFAULT_URL

COLUMNS = ("Session", "Begun", "Status", "Audio", "Words", "Title")
STYLES = {"active": "green", "ended": "", "error": "red", "lost": "yellow"}

Search = Annotated[
    str | None, typer.Option("--search", metavar="WORDS", help="Sessions in which somebody said these words.")
]
Status = Annotated[
    str | None, typer.Option("--status", metavar="STATUS", help="active, ended, error or lost.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many, the youngest first.")]


def sessions(
    search: Search = None,
    status: Status = None,
    limit: Limit = 20,
    json: opt.Json = False,
    url: opt.Url = DEFAULT_URL,
) -> None:
    """List the sessions that the server keeps, the youngest first."""
    found = run_command(history.sessions(url, search=search, status=status, limit=limit))
    if json:
        print(indented_json(found))
    else:
        console = Console(highlight=False)
        console.print(sessions_table(found))
        for session in found:
            for hit in session.get("hits", ()):
                console.print(_hit(session, hit), soft_wrap=True)


def sessions_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """The sessions as a table."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        right = name in ("Audio", "Words")
        # Ids are typed, so they are never cut off.
        table.add_column(
            name, justify="right" if right else "left", overflow="fold", no_wrap=name == "Session"
        )
    for session in found:
        table.add_row(*_cells(session))
    if not found:
        table.add_row(Text("no session is kept", style="dim"))
    return table


def _cells(session: Mapping[str, Any]) -> tuple[Text, ...]:
    status = _text(session.get("status"))
    status.stylize(STYLES.get(status.plain, ""))
    begun = str(session.get("begun_at", "")).replace("T", " ")[5:16]  # month, day and minute
    seconds = session.get("audio_seconds")
    shown = f"{seconds:.0f} s" if isinstance(seconds, int | float) else None
    named = _text(session.get("title"))
    return (
        _text(session.get("session_id")),
        _text(begun),
        status,
        _text(shown),
        _text(session.get("words")),
        named,
    )


def _hit(session: Mapping[str, Any], hit: Any) -> Text:
    """What a search found, behind the id of its session."""
    parts = hit.get("parts", ()) if isinstance(hit, dict) else ()
    pieces = [(str(part.get("text", "")), "bold" if part.get("hit") else "") for part in parts]
    named = (f"{one_line(session.get('session_id'), 40)}  ", "dim")
    return Text.assemble(named, *((_printable(text), style) for text, style in pieces))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _text(value: Any) -> Text:
    return Text("–", style="dim") if value in (None, "") else Text(one_line(value, 120))
