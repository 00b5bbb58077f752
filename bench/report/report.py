"""A result that was read from its file in, a page of its tables and pictures out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from bench.report.curves import fanout_pictures, overhead_pictures
from bench.report.page import Grid, Page
from bench.report.pictures import pictures
from bench.report.result_file import read
from bench.report.table import ROWS, flushed, shown
from bench.scenarios.offline_baseline import Against
from dalston_realtime.cli.display.latency_table import milliseconds
from dalston_realtime.client.errors import OutputError, UsageError

Result: TypeAlias = Mapping[str, Any]
Figures: TypeAlias = Mapping[str, Any]

DELAYS: Final = (
    "N is the number of sessions at once. All delays begin when the chunk left the client that carried the"
    " sound in question."
)
LEVELS: Final = {
    "bench": "dalston-realtime under load",
    "capacity": "How many sessions dalston-realtime holds",
}
COMBINATION: Final = {
    "Failed": ("failed", 0),
    "Time to final p50, s": ("final_p50", 3),
    "p95": ("final_p95", 3),
    "Word latency p50, s": ("word_p50", 3),
    "Cores per stream": ("cores_per_stream", 3),
}
STEP: Final = {
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
"""Label, figure, decimals."""


def write(result: Result, path: Path) -> None:
    """The page of a result.

    Raises:
        UsageError: there is none of its kind.
        OutputError: the page can't be written.
    """
    kinds: Mapping[str, Callable[[Result], Page]] = {"fanout": _fanout, "overhead": _overhead}
    make = _levels if result["command"] in LEVELS else kinds.get(result["command"])
    if make is None or not result["results"]:
        raise UsageError("there is no report of such a result")
    try:
        path.write_text(make(result).html())
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror})") from None


def tell(out: Path, report: Path | None) -> None:
    """Say where the result is, and write the page of it where one is wanted.

    Raises:
        OutputError: the page can't be written.
    """
    print(f"\nThe whole result is in {out}.")
    if report is not None:
        write(read(out), report)
        print(f"The report is in {report}.")


def _levels(result: Result) -> Page:
    """Of each number of sessions the latest."""
    latest = {level["sessions"]: level for level in result["results"]}
    levels = [latest[sessions] for sessions in sorted(latest)]
    found = pictures(levels, result["settings"].get("bound"))
    grids = [_figures([level["figures"] for level in levels]), *_budget(levels)]
    notes = [DELAYS, *_notes(result), *_errors(levels)]
    return Page(LEVELS[result["command"]], _about(result), notes, grids, found, _facts(result))


def _notes(result: Result) -> Iterable[str]:
    flush_after = result["settings"].get("flush_after")
    if flush_after is not None:
        yield flushed(flush_after)
    answer = result.get("answer") or {}
    if "verdict" in answer:
        yield answer["verdict"]
    if "whole" in answer:
        yield str(Against(**answer))


def _errors(parts: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for part in parts:
        yield from (f"N = {part['sessions']}: {error}" for error in part["errors"])


def _figures(columns: Sequence[Figures]) -> Grid:
    groups = [
        [
            [f" {label}" if label.startswith("p9") else label, *(shown(c, name, decimals) for c in columns)]
            for label, name, decimals in group
            if any(column.get(name) is not None for column in columns)
        ]
        for group in ROWS
    ]
    return Grid("", ["Figure", *(f"N = {column['sessions']}" for column in columns)], groups)


def _budget(levels: Sequence[Mapping[str, Any]]) -> Iterable[Grid]:
    """What the results of the last number of sessions that had any cost, stage by stage."""
    for level in [level for level in levels if any(r["finals"] or r["partials"] for r in level["budget"])][
        -1:
    ]:
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
    rows = [[each["name"], str(each["rounds"]), *_row(each["figures"], COMBINATION)] for each in found]
    grid = Grid("", ["Combination", "Rounds", *COMBINATION], [rows])
    notes = [str(result["answer"])] if result.get("answer") else []
    return Page(
        "Which fan-out suits this machine",
        _about(result),
        notes,
        [grid],
        fanout_pictures(found),
        _facts(result),
    )


def _overhead(result: Result) -> Page:
    steps = result["results"]
    rows = [
        [label, *(shown(step, name, decimals) for step in steps)] for label, (name, decimals) in STEP.items()
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
        overhead_pictures(steps),
        _facts(result),
    )


def _row(figures: Figures, columns: Mapping[str, tuple[str, int]]) -> list[str]:
    return [shown(figures, name, decimals) for name, decimals in columns.values()]


def _about(result: Result) -> str:
    known = result["conditions"]
    machine = f"{known['cores']} cores of {known['cpu']}, {known['memory_gb']} GB"
    when = known["when"].replace("T", " ").removesuffix("+00:00")
    revision = f", revision {known['revision']}" if known["revision"] else ""
    return f"{machine}, {when} UTC{revision}"


def _facts(result: Result) -> dict[str, str]:
    """All that it takes to repeat the measurement."""
    conditions, settings = result["conditions"], result["settings"]
    facts = {**settings, **{k: v for k, v in conditions.items() if k != "versions"}, **conditions["versions"]}
    return {
        name.replace("_", " "): _plain(value) for name, value in facts.items() if value not in (None, {}, "")
    }


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
