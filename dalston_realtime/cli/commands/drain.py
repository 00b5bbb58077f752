"""Defines `dalston-rt drain`, which gives a worker nothing new so that it can be stopped when it is empty."""

from typing import Annotated

import typer

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import rest
from dalston_realtime.client.url import DEFAULT_URL

Worker = Annotated[str, typer.Argument(metavar="WORKER", help="Its name, as `dalston-rt workers` shows it.")]
Seconds = Annotated[
    float, typer.Option(min=0, max=86_400, help="Seconds for its sessions to end; then they move to others.")
]
Undo = Annotated[bool, typer.Option("--undo", help="Let it take sessions again.")]


def drain(worker: Worker, seconds: Seconds = 300.0, undo: Undo = False, url: opt.Url = DEFAULT_URL) -> None:
    """Give a worker no new sessions, and move those that it has to other workers after a while."""
    run_command(rest.drain(url, worker, None if undo else seconds))
    if undo:
        print(f"{worker} takes sessions again")
    else:
        print(f"{worker} gets no new sessions; those that it has move after {seconds:g} s")
