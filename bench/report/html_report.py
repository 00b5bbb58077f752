"""Builds the HTML report of a result from its file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.measure.offline_baseline import OfflineBaseline
from bench.report.accuracy_table import ACCURACY_CAPTION, ACCURACY_COLUMNS, accuracy_cells
from bench.report.charts import level_charts
from bench.report.html_page import Grid, Page
from bench.report.result_file import read_result
from bench.report.scenario_charts import fanout_charts, overhead_charts
from bench.report.tables import ROWS, FigureValues, flush_note, format_figure
from bench.report.words_table import WORDS_CAPTION, WORDS_COLUMNS, words_cells
from dalston_realtime.cli.display.latency_table import milliseconds
from dalston_realtime.client.errors import OutputError, UsageError

Result: TypeAlias = Mapping[str, Any]

DELAYS: Final = (
    "N is the number of sessions at once. All delays begin when the chunk left the client that carried the"
    " sound in question."
)
LEVEL_TITLES: Final = {
    "bench": "dalston-realtime under load",
    "capacity": "How many sessions dalston-realtime holds",
}
COMBINATION_COLUMNS: Final = {
    "Failed": ("failed", 0),
    "Time to final p50, s": ("final_p50", 3),
    "p95": ("final_p95", 3),
    "Word latency p50, s": ("word_p50", 3),
    "Cores per stream": ("cores_per_stream", 3),
}
OVERHEAD_ROWS: Final = {
    "Failed": ("failed", 0),
    "Frames a second": ("frames_per_second", 0),
    "Frames a second per core": ("frames_per_core", 0),
    "Added latency p50, ms": ("added_p50", 1),
    " p99": ("added_p99", 1),
    "Server, cores": ("cores", 2),
    "Memory, MB": ("memory_mb", 0),
    "Client, cores": ("client_cores", 2),
    "Client late p99, ms": ("client_late_p99", 1),
}
"""Figure and decimals by label; a label that begins with a space is indented."""


def write_report(result: Result, path: Path) -> None:
    """Write the report of a result.

    Raises:
        UsageError: there is no report for results of this command.
        OutputError: the report can't be written.
    """
    kinds: Mapping[str, Callable[[Result], Page]] = {
        "accuracy": _accuracy,
        "fanout": _fanout,
        "overhead": _overhead,
        "words": _words,
    }
    make = _levels if result["command"] in LEVEL_TITLES else kinds.get(result["command"])
    if make is None or not result["results"]:
        raise UsageError("there is no report of such a result")
    try:
        path.write_text(make(result).html())
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror})") from None


def announce_result(out: Path, report: Path | None) -> None:
    """Print where the result is, and write its report if one is asked for.

    Raises:
        OutputError: the report can't be written.
    """
    print(f"\nThe whole result is in {out}.")
    if report is not None:
        write_report(read_result(out), report)
        print(f"The report is in {report}.")


def _levels(result: Result) -> Page:
    """The page of load levels; of each number of sessions the latest one."""
    latest = {level["sessions"]: level for level in result["results"]}
    levels = [latest[sessions] for sessions in sorted(latest)]
    charts = level_charts(levels, result["settings"].get("bound"))
    grids = [_figures([level["figures"] for level in levels]), *_budget(levels)]
    notes = [DELAYS, *_notes(result), *_errors(levels)]
    return Page(LEVEL_TITLES[result["command"]], _about(result), notes, grids, charts, _facts(result))


def _notes(result: Result) -> Iterable[str]:
    flush_after = result["settings"].get("flush_after")
    if flush_after is not None:
        yield flush_note(flush_after)
    answer = result.get("answer") or {}
    if "verdict" in answer:
        yield answer["verdict"]
    if "whole" in answer:
        yield str(OfflineBaseline(**answer))


def _errors(parts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for part in parts:
        yield from (f"N = {part['sessions']}: {error}" for error in part["errors"])


def _figures(columns: Sequence[FigureValues]) -> Grid:
    groups = [
        [
            [
                f" {label}" if label.startswith("p9") else label,
                *(format_figure(c, name, decimals) for c in columns),
            ]
            for label, name, decimals in group
            if any(column.get(name) is not None for column in columns)
        ]
        for group in ROWS
    ]
    return Grid("", ["Figure", *(f"N = {column['sessions']}" for column in columns)], groups)


def _budget(levels: Sequence[Mapping[str, Any]]) -> Iterable[Grid]:
    """The latency budget, stage by stage, at the last number of sessions that had results."""
    measured = [level for level in levels if any(r["finals"] or r["partials"] for r in level["budget"])]
    for level in measured[-1:]:
        rows = [
            [row["stage"], milliseconds(row["budget"]), *_pair(row["partials"]), *_pair(row["finals"])]
            for row in level["budget"]
        ]
        head = ["Stage", "Budget", "Partials p50", "p95", "Finals p50", "p95"]
        yield Grid(f"Latency budget at N = {level['sessions']}, ms", head, [rows])


def _pair(measured: Mapping[str, float] | None) -> tuple[str, str]:
    found = measured or {}
    return milliseconds(found.get("p50")), milliseconds(found.get("p95"))


def _fanout(result: Result) -> Page:
    found = result["results"]
    rows = [
        [each["name"], str(each["rounds"]), *_row(each["figures"], COMBINATION_COLUMNS)] for each in found
    ]
    grid = Grid("", ["Combination", "Rounds", *COMBINATION_COLUMNS], [rows])
    notes = [str(result["answer"])] if result.get("answer") else []
    return Page(
        "Which fan-out suits this machine",
        _about(result),
        notes,
        [grid],
        fanout_charts(found),
        _facts(result),
    )


def _overhead(result: Result) -> Page:
    steps = result["results"]
    rows = [
        [label, *(format_figure(step, name, decimals) for step in steps)]
        for label, (name, decimals) in OVERHEAD_ROWS.items()
    ]
    grid = Grid("", ["Figure", *(f"N = {step['sessions']}" for step in steps)], [rows])
    spent = steps[-1]["microseconds"].items()
    title = f"CPU time of a frame at N = {steps[-1]['sessions']}"
    processes = Grid(title, ["Process", "µs"], [[[name, f"{us:.0f}"] for name, us in spent]])
    about = "N is the number of sessions at once. The engine answers at once: what is added is our own."
    return Page(
        "What dalston-realtime's own processes cost",
        _about(result),
        [about, *_errors(steps)],
        [grid, processes],
        overhead_charts(steps),
        _facts(result),
    )


def _words(result: Result) -> Page:
    rows = [words_cells(row) for row in result["answer"]]
    faults = [
        [case["kind"], case["name"], case["said"], " | ".join(case["alone"]), " | ".join(case["finals"])]
        for case in result["results"]
        if case["faulty"]
    ]
    head = ["Kind", "Case", "Said", "Heard alone", "Finals"]
    grids = [Grid("", list(WORDS_COLUMNS), [rows]), Grid("Cases with a fault", head, [faults])]
    return Page("Which words get lost", _about(result), [WORDS_CAPTION], grids, [], _facts(result))


def _accuracy(result: Result) -> Page:
    rows = [accuracy_cells(row) for row in result["answer"]]
    texts = [[each["set"], each["name"], each["live"], each["whole"]] for each in result["results"]]
    head = ["Set", "Recording", "Live", "Whole"]
    grids = [Grid("", list(ACCURACY_COLUMNS), [rows]), Grid("Texts", head, [texts])]
    title = "What live transcription costs in accuracy"
    return Page(title, _about(result), [ACCURACY_CAPTION], grids, [], _facts(result))


def _row(figures: FigureValues, columns: Mapping[str, tuple[str, int]]) -> list[str]:
    return [format_figure(figures, name, decimals) for name, decimals in columns.values()]


def _about(result: Result) -> str:
    conditions = result["conditions"]
    machine = f"{conditions['cores']} cores of {conditions['cpu']}, {conditions['memory_gb']} GB"
    when = conditions["when"].replace("T", " ").removesuffix("+00:00")
    revision = f", revision {conditions['revision']}" if conditions["revision"] else ""
    return f"{machine}, {when} UTC{revision}"


def _facts(result: Result) -> dict[str, str]:
    """What one must know to repeat the measurement."""
    conditions, settings = result["conditions"], result["settings"]
    facts = {**settings, **{k: v for k, v in conditions.items() if k != "versions"}, **conditions["versions"]}
    return {
        name.replace("_", " "): _plain(value) for name, value in facts.items() if value not in (None, {}, "")
    }


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
