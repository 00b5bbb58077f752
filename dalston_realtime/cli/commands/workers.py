"""Defines `dalston-rt workers`, which shows the server's workers in a table that keeps itself up to date."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import rest
from dalston_realtime.client.errors import ClientError, one_line
from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.url import DEFAULT_URL

INTERVAL_S: Final = 1.0  # Seconds between two calls of the server.
UNREACHABLE: Final = "unreachable"  # It lives, and the gateway can't use it.
STYLES = {"ready": "green", "busy": "yellow", "draining": "cyan", "offline": "red", UNREACHABLE: "red"}
COLUMNS = ("Worker", "Status", "Sessions", "Models", "Lag", "GPU memory", "Endpoint")

Once = Annotated[bool, typer.Option("--once", help="Print the table once.")]


def workers(once: Once = False, json: opt.Json = False, url: opt.Url = DEFAULT_URL) -> None:
    """Show the workers of the server, live until Ctrl-C.

    The table is printed once with --once, with --json, and where the output is no terminal.
    """
    console = Console(highlight=False)
    if json:
        print(indented_json(run_command(rest.workers(url))))
    elif once or not console.is_terminal:
        console.print(workers_table(run_command(rest.workers(url))))
    else:
        run_command(_watch(console, url))


async def _watch(console: Console, url: str) -> None:
    """Draw the table again and again; only the first call must succeed."""
    shown: Group | Table = workers_table(await rest.workers(url))
    with Live(shown, console=console, auto_refresh=False, transient=False) as live:
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                shown = workers_table(await rest.workers(url))
                live.update(shown, refresh=True)
            except ClientError as error:
                live.update(Group(shown, Text(one_line(error), style="red")), refresh=True)


def workers_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """The workers as a table, in the order of their names."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        right = name in ("Sessions", "Lag")
        table.add_column(name, justify="right" if right else "left", overflow="fold")  # names are typed
    for worker in sorted(found, key=lambda worker: str(worker.get("worker_id"))):
        table.add_row(*_cells(worker))
    if not found:
        table.add_row(Text("no worker is registered", style="dim"))
    problems = [_text(worker["problem"]) for worker in found if worker.get("problem")]
    if problems:
        table.caption, table.caption_justify = Text("\n", style="red").join(problems), "left"
    return table


def _cells(worker: Mapping[str, Any]) -> list[Text]:
    status = _text(UNREACHABLE if worker.get("problem") else worker.get("status"))
    status.stylize(STYLES.get(status.plain, ""))
    lag = worker.get("lag")
    return [
        _text(worker.get("worker_id")),
        status,
        Text(f"{_text(worker.get('active_sessions'))} / {_text(worker.get('capacity'))}"),
        Text("\n").join(_names(worker.get("models"))),
        _text(f"{lag:.1f} s" if isinstance(lag, int | float) else lag),
        _memory(worker),
        _text(worker.get("endpoint")),
    ]


def _names(models: Any) -> list[Text]:
    return [_text(model) for model in models] if isinstance(models, list) else []


def _memory(worker: Mapping[str, Any]) -> Text:
    used, total = worker.get("gpu_memory_used"), worker.get("gpu_memory_total")
    return _text(f"{used} of {total}" if used and total else None)


def _text(value: Any) -> Text:
    return Text("–", style="dim") if value in (None, "") else Text(one_line(value, 120))
