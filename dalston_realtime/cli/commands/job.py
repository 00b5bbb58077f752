"""Defines `dalston-rt job`, which shows a job of the batch pipeline, waits for it, or ends it."""

import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.display.job_view import job_lines, job_progress
from dalston_realtime.cli.exits import ExitCode, run_command
from dalston_realtime.client import jobs
from dalston_realtime.client.url import DEFAULT_URL
from dalston_realtime.protocol.jobs import BatchJob

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job, as `transcribe --enhance` names it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")]
Cancel = Annotated[bool, typer.Option("--cancel", help="End it.")]


def job(
    job_id: JobId,
    *,
    wait: Wait = False,
    cancel: Cancel = False,
    json: opt.Json = False,
    url: opt.Url = DEFAULT_URL,
) -> None:
    """Show how far a job is that makes a transcript better, and what it made."""
    if cancel:
        found = run_command(jobs.cancel(job_id, url))
    elif wait:
        found = run_command(wait_for(job_id, url))
    else:
        found = run_command(jobs.job(job_id, url))
    print_job(found, json=json)
    raise typer.Exit(ExitCode.INCOMPLETE if found.status == "failed" else ExitCode.OK)


async def wait_for(job_id: str, url: str) -> BatchJob:
    """Wait for a job, and show on stderr how far it is.

    Raises:
        ClientError: the server can't be asked.
    """
    with job_progress(Console(stderr=True, highlight=False)) as show:
        return await jobs.wait(job_id, url, show)


def print_job(found: BatchJob, *, json: bool) -> None:
    """Print a job on stdout: for a program as it came, else its transcript."""
    if json:
        print(msgspec.json.encode(found).decode(), flush=True)
        return
    console = Console(highlight=False, file=sys.stdout)
    for line in job_lines(found):
        console.print(line, soft_wrap=True)
