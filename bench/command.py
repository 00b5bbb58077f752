"""Defines the command `dalston-rt bench`, which measures a server under load.

The scenarios are imported when a command runs, since they load libraries that `--help` does not need.
"""

from pathlib import Path

import typer

from bench.command_accuracy import accuracy
from bench.command_diarize import diarize
from bench.command_enhance import enhance
from bench.command_history import history
from bench.command_options import (
    AudioFolder,
    CombinationLimit,
    DecodeMs,
    Direct,
    FinalBound,
    FlushAfter,
    IdleSessionCount,
    IdleWorkerCount,
    MinSilenceMs,
    Model,
    OlderResult,
    OutputFile,
    ReportFile,
    Revision,
    RoundCount,
    Seconds,
    Seed,
    ServerPid,
    ServerSettings,
    SessionCount,
    SessionCounts,
    SessionLimit,
    Silences,
    Url,
    WorkerCount,
)
from bench.command_router import router
from bench.command_runner import run_command
from bench.command_words import words
from dalston_realtime.cli.options import min_silence

app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})


@app.callback(invoke_without_command=True)
def bench(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    sessions: SessionCounts = "1,2,4,8",
    seconds: Seconds = 60.0,
    flush_after: FlushAfter = None,
    silence: MinSilenceMs = None,
    model: Model = "fast",
    audio: AudioFolder = None,
    seed: Seed = 1,
    url: Url = None,
    server_pid: ServerPid = None,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench.json"),
    report: ReportFile = None,
    compare: OlderResult = None,
) -> None:
    """Measure a server: recordings in real time through 1, 2, 4 ... sessions at once.

    Ctrl-C ends it and keeps what was measured. docs/performance.md defines every figure.
    """
    if context.invoked_subcommand is not None:
        return

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings, parse_session_counts
        from bench.scenarios.collaborators import collaborators_of
        from bench.scenarios.latency import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(
            url, server_pid, chosen, model, seconds, audio, flush_after, seed, out, silence
        )
        return measure(
            request, parse_session_counts(sessions), compare, report, collaborators_of(context.obj)
        )

    run_command(command, out, report)


@app.command()
def capacity(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    bound: FinalBound = 0.9,
    most: SessionLimit = 64,
    seconds: Seconds = 60.0,
    flush_after: FlushAfter = None,
    model: Model = "fast",
    audio: AudioFolder = None,
    seed: Seed = 1,
    url: Url = None,
    server_pid: ServerPid = None,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-capacity.json"),
    report: ReportFile = None,
) -> None:
    """Search for the largest number of sessions that the server holds."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.capacity import measure
        from bench.scenarios.collaborators import collaborators_of

        chosen = parse_server_settings(settings)
        request = BenchRequest(url, server_pid, chosen, model, seconds, audio, flush_after, seed, out)
        return measure(request, bound, most, report, collaborators_of(context.obj))

    run_command(command, out, report)


@app.command()
def endpointing(
    silences: Silences = None,
    *,
    decode_ms: DecodeMs = 120.0,
    model: Model = "fast",
    audio: AudioFolder = None,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-endpointing.json"),
) -> None:
    """Compare waits for silence: how soon finals come, and how many sentences they cut.

    The stages run in one process on a clock of its own: a busy machine does not matter.
    """

    waits = [min_silence(each) for each in silences or ("300", "400", "500", "600", "auto")]

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.endpointing import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(server_settings=chosen, model=model, audio=audio, out=out)
        return measure(request, waits, decode_ms / 1000)

    run_command(command, out)


@app.command()
def fanout(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    at_once: SessionCount = 4,
    limit: CombinationLimit = 12,
    seconds: Seconds = 30.0,
    flush_after: FlushAfter = None,
    model: Model = "fast",
    audio: AudioFolder = None,
    seed: Seed = 1,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-fanout.json"),
    report: ReportFile = None,
) -> None:
    """Find the fan-out, threads, batch and cadence of partials that are best on this machine."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.collaborators import collaborators_of
        from bench.scenarios.fanout import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(None, None, chosen, model, seconds, audio, flush_after, seed, out)
        return measure(request, at_once, limit, report, collaborators_of(context.obj))

    run_command(command, out, report)


@app.command("guard")
def regression(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    rev: Revision,
    at_once: SessionCount = 4,
    rounds: RoundCount = 5,
    seconds: Seconds = 30.0,
    model: Model = "fast",
    seed: Seed = 1,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-guard.json"),
) -> None:
    """Compare the tree with a git revision, in turns."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.collaborators import collaborators_of
        from bench.scenarios.regression import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(None, None, chosen, model, seconds, seed=seed, out=out)
        return measure(request, rev, at_once, rounds, collaborators_of(context.obj))

    run_command(command, out)


@app.command()
def noise(
    context: typer.Context,
    *,
    seconds: Seconds = 60.0,
    model: Model = "fast",
    seed: Seed = 1,
    url: Url = None,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-noise.json"),
) -> None:
    """Count the words that the server hears where nobody speaks."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.collaborators import collaborators_of
        from bench.scenarios.noise import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(url, None, chosen, model, seconds, seed=seed, out=out)
        return measure(request, collaborators_of(context.obj))

    run_command(command, out)


@app.command()
def overhead(
    context: typer.Context,
    *,
    sessions: SessionCounts = "25,50,100,200,300,400,500",
    seconds: Seconds = 20.0,
    direct: Direct = False,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-overhead.json"),
    report: ReportFile = None,
) -> None:
    """Measure what the server's own processes cost, with an engine that answers at once."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings, parse_session_counts
        from bench.scenarios.collaborators import collaborators_of
        from bench.scenarios.overhead import measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(server_settings=chosen, seconds=seconds, out=out)
        counts = parse_session_counts(sessions)
        return measure(request, counts, report, collaborators_of(context.obj), direct=direct)

    run_command(command, out, report)


@app.command()
def routing(
    *,
    at_once: SessionCount = 100,
    workers: WorkerCount = 10,
    idle: IdleSessionCount = 1_000,
    idle_workers: IdleWorkerCount = 20,
    seconds: Seconds = 20.0,
    settings: ServerSettings = None,
    out: OutputFile = Path("bench-routing.json"),
) -> None:
    """Measure what the session router costs: the way to a worker, and idle sessions."""

    def command() -> int:
        from bench.request import BenchRequest, parse_server_settings
        from bench.scenarios.routing import RoutingPlan, measure

        chosen = parse_server_settings(settings)
        request = BenchRequest(server_settings=chosen, seconds=seconds, out=out)
        plans = [
            RoutingPlan(workers, at_once, seconds),
            RoutingPlan(workers, at_once, seconds, speaking=True),
            RoutingPlan(idle_workers, idle, seconds, idle=True),
        ]
        return measure(request, plans)

    run_command(command, out)


app.command()(accuracy)
app.command()(words)
app.command()(history)
app.command()(diarize)
app.command()(router)
app.command()(enhance)
