"""Defines the command `dalston-rt bench router`, which measures the session router's scripts at scale."""

from pathlib import Path
from typing import Annotated

import typer

from bench.command_options import OutputFile, Seconds
from bench.command_runner import run_command

Workers = Annotated[int, typer.Option("--workers", min=2, max=10_000, metavar="N", help="Number of workers.")]
Slots = Annotated[int, typer.Option("--slots", min=1, max=1_024, metavar="N", help="Slots of each worker.")]
Gateways = Annotated[int, typer.Option("--gateways", min=2, max=100, metavar="N", help="Number of gateways.")]
Rate = Annotated[float, typer.Option("--rate", min=1, metavar="N", help="Sessions that begin a second.")]
Waiting = Annotated[int, typer.Option("--waiting", min=0, max=100, metavar="N", help="Sessions that wait.")]


def router(
    *,
    workers: Workers = 2_000,
    slots: Slots = 11,
    gateways: Gateways = 10,
    rate: Rate = 200,
    waiting: Waiting = 100,
    seconds: Seconds = 10.0,
    out: OutputFile = Path("bench-router.json"),
) -> None:
    """Measure what the session router's scripts cost Redis: thousands of workers, and sessions that wait."""

    def command() -> int:
        from bench.scenarios.router import RouterPlan, measure

        return measure(RouterPlan(workers, slots, gateways, rate, waiting, seconds), out)

    run_command(command, out)
