"""Measures latency, accuracy and usage at several numbers of sessions: `dalston-rt bench` itself."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.measure.load_level import LoadLevel
from bench.measure.offline_baseline import offline_baseline
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions, differences, read_levels
from bench.report.tables import compare_tables, figures_tables, flush_note
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from bench.scenarios.measurement_plan import MeasurementPlan, measure_levels
from bench.servers.measured_server import measured_server
from dalston_realtime.cli.display.latency_table import budget_table
from dalston_realtime.cli.exits import ExitCode


def measure(
    request: BenchRequest,
    sessions: Sequence[int],
    compare: Path | None = None,
    report: Path | None = None,
    collaborators: Collaborators = REAL,
) -> int:
    """Measure each number of sessions and print the figures; returns the exit code.

    Raises:
        DalstonError: a bad file, or there is no server.
    """
    old = None if compare is None else read_levels(compare)
    load, levels = collaborators.load_plan(request), list[LoadLevel]()
    settings = request.to_settings() | {"sessions": list(sessions)}
    result_file = ResultFile("bench", settings, levels, conditions())
    start, chosen = collaborators.start_server, request.server_settings
    with measured_server(request.url, request.pid, max(sessions), chosen, start) as server:
        settings["server"] = dict(server.settings)
        plan = MeasurementPlan.for_server(server, request.target(), load)
        for level in measure_levels(plan, sessions, Console(stderr=True)):
            levels.append(level)
            result_file.save(request.out)
    show(Console(), levels, old, {"settings": settings, "conditions": result_file.conditions})
    if request.url is None and exit_code(levels) == ExitCode.OK:
        scores = [score for level in levels for score in level.scores]
        models = settings["server"].get("models")
        if (baseline := offline_baseline(models, request.model, load.recordings, scores)) is not None:
            print(baseline)
            replace(result_file, answer=baseline).save(request.out)
    announce_result(request.out, report if any(level.scores for level in levels) else None)
    return exit_code(levels)


def show(
    console: Console, levels: Sequence[LoadLevel], old: Mapping[str, Any] | None, now: Mapping[str, Any]
) -> None:
    """Print the tables; with an `old` result also the ratios to it, and what differs from `now`."""
    console.print(*figures_tables(levels, console.width), sep="")
    if now["settings"]["flush_after"] is not None:
        console.print(flush_note(now["settings"]["flush_after"]) + "\n", highlight=False)
    with_results = [level for level in levels if any(row.finals or row.partials for row in level.budget)]
    for level in with_results[-1:]:
        console.print(budget_table(level.budget, f"Latency budget at N = {level.sessions}, ms"))
    if old is not None:
        before = [level["figures"] for level in old["results"]]
        after = [asdict(level.figures) for level in levels]
        console.print(*compare_tables(after, before, console.width), sep="")
        for difference in differences(now, old):
            console.print(f"[yellow]Not the same: {difference}[/]", highlight=False)
    for error in sorted({error for level in levels for error in level.errors}):
        console.print(f"[yellow]{error}[/]", highlight=False)


def exit_code(levels: Sequence[LoadLevel]) -> int:
    """130 after Ctrl-C, 5 where at some number of sessions every playback had an error, else 0."""
    if any(level.interrupted for level in levels):
        return ExitCode.INTERRUPTED
    return ExitCode.INCOMPLETE if any(level.broken for level in levels) else ExitCode.OK
