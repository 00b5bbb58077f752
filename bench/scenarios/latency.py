"""The main measurement: a request in, the figures for each number of sessions out, as tables and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.measure.level import Level
from bench.report.report import tell
from bench.report.result_file import Document, conditions, differences, read_levels
from bench.report.table import compare_tables, figures_tables, flushed
from bench.request import BenchRequest
from bench.scenarios.offline_baseline import against_whole
from bench.scenarios.run import Plan, levels
from bench.servers.server import server
from dalston_realtime.cli.display.latency_table import budget_table
from dalston_realtime.cli.exits import ExitCode


def measure(
    request: BenchRequest, sessions: Sequence[int], compare: Path | None = None, report: Path | None = None
) -> int:
    """Measure each number of sessions and print what came out; the exit code.

    Raises:
        DalstonError: a bad file, or a server that can't be had.
    """
    old = None if compare is None else read_levels(compare)
    load, found = request.load(), list[Level]()
    settings = request.settings() | {"sessions": list(sessions)}
    document = Document("bench", settings, found, conditions())
    with server(request.url, request.pid, max(sessions), request.chosen) as running:
        settings["server"] = dict(running.settings)
        plan = Plan.for_server(running, request.target(), load)
        for level in levels(plan, sessions, Console(stderr=True)):
            found.append(level)
            document.save(request.out)
    show(Console(), found, old, {"settings": settings, "conditions": document.conditions})
    if request.url is None and outcome(found) == ExitCode.OK:
        scores = [score for level in found for score in level.scores]
        models = settings["server"].get("models")
        if (against := against_whole(models, request.model, load.recordings, scores)) is not None:
            print(against)
            replace(document, answer=against).save(request.out)
    tell(request.out, report if any(level.scores for level in found) else None)
    return outcome(found)


def show(
    console: Console, found: Sequence[Level], old: Mapping[str, Any] | None, now: Mapping[str, Any]
) -> None:
    """The tables on a terminal; beside an older result `old` what was measured otherwise then."""
    console.print(*figures_tables(found, console.width), sep="")
    if now["settings"]["flush_after"] is not None:
        console.print(flushed(now["settings"]["flush_after"]) + "\n", highlight=False)
    for level in [level for level in found if any(row.finals or row.partials for row in level.budget)][-1:]:
        console.print(budget_table(level.budget, f"Latency budget at N = {level.sessions}, ms"))
    if old is not None:
        before = [level["figures"] for level in old["results"]]
        after = [asdict(level.figures) for level in found]
        console.print(*compare_tables(after, before, console.width), sep="")
        for difference in differences(now, old):
            console.print(f"[yellow]Not the same: {difference}[/]", highlight=False)
    for error in sorted({error for level in found for error in level.errors}):
        console.print(f"[yellow]{error}[/]", highlight=False)


def outcome(found: Sequence[Level]) -> int:
    """The exit code: 130 after Ctrl-C, 5 where at some number no session at all was whole."""
    if any(level.interrupted for level in found):
        return ExitCode.INTERRUPTED
    return ExitCode.INCOMPLETE if any(level.broken for level in found) else ExitCode.OK
