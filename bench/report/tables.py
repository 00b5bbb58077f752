"""Figures in, tables for a terminal out; with the ratios to an older run where there is one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias, TypeVar

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.measure.load_level import Level

T = TypeVar("T")
Row: TypeAlias = tuple[str, str, int]

ROWS: Final[tuple[tuple[Row, ...], ...]] = (
    (
        ("Time to final p50, s", "final_p50", 3),
        ("p95", "final_p95", 3),
        ("p99", "final_p99", 3),
        ("First partial p50, s", "first_partial_p50", 3),
        ("p95", "first_partial_p95", 3),
        ("Word latency p50, s", "word_p50", 3),
        ("p95", "word_p95", 3),
        ("Lag growth, s per min", "lag_growth", 3),
    ),
    (
        ("Words taken back, %", "taken_back_percent", 1),
        ("Word error rate, %", "wer_percent", 1),
        ("Sentences cut, per min", "cut_sentences", 2),
    ),
    (
        ("Server, cores", "cores", 2),
        ("Cores per stream", "cores_per_stream", 3),
        ("Memory, MB", "memory_mb", 0),
        ("Memory growth, MB per h", "memory_growth", 1),
        ("GPU memory, MB", "gpu_memory_mb", 0),
        ("GPU busy, %", "gpu_busy_percent", 0),
    ),
    (
        ("Recordings", "recordings", 0),
        ("Failed", "failed", 0),
        ("Final after 5 s or never", "late", 0),
        ("Client, cores", "client_cores", 2),
        ("Client late at most, ms", "client_late_max", 0),
        ("Other processes, cores", "other_cores", 2),
    ),
)
"""In groups: label, figure, decimals."""
LABEL: Final = 26  # characters of a terminal
COLUMN: Final = 11
FACTORS: Final = {"lag_growth": 60.0, "client_late_max": 1000.0}  # from the unit of the figure to that shown
BAD: Final = ("failed", "late")
COMPARED: Final = (
    "final_p50", "final_p95", "final_p99", "first_partial_p50", "word_p50", "word_p95", "taken_back_percent",
    "wer_percent", "cut_sentences", "cores_per_stream", "memory_mb",
)  # fmt: skip

Figures: TypeAlias = Mapping[str, Any]


def figures_tables(levels: Sequence[Level], width: int) -> Iterator[Table]:
    """A column for each number of sessions; several tables where they are more than fit into `width`."""
    for some in _fitting(levels, width):
        yield figures_table(some)


def _fitting(columns: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    most = max(1, (width - LABEL) // COLUMN)
    for at in range(0, len(columns), most):
        yield columns[at : at + most]


def figures_table(levels: Sequence[Level]) -> Table:
    """A column for each number of sessions."""
    columns = [asdict(level.figures) for level in levels]
    table = _empty("Figure", [_sessions(level) for level in levels])
    for group in ROWS:
        table.add_section()
        for label, name, decimals in group:
            if any(column.get(name) is not None for column in columns):
                table.add_row(label, *(_cell(column, name, decimals) for column in columns))
    return table


def compare_tables(new: Sequence[Figures], old: Sequence[Figures], width: int) -> Iterator[RenderableType]:
    """New by old, for each number of sessions that both have."""
    before = {column["sessions"]: column for column in old}
    both = [column for column in new if column["sessions"] in before]
    if not both:
        yield Text("The older result has none of these numbers of sessions.\n", style="yellow")
    for some in _fitting(both, width):
        table = _empty("New by old", [f"N = {column['sessions']}" for column in some])
        for name in COMPARED:
            ratios = [_ratio(column.get(name), before[column["sessions"]].get(name)) for column in some]
            table.add_row(name_of(name), *ratios)
        yield table


def flushed(after: float) -> str:
    """What the figures of a client that flushes say."""
    return f"Time to final counts from the end of speech; the client says flush {after:g} s after it."


def name_of(figure: str) -> str:
    """What a figure is called, without its unit."""
    labels = {name: label for group in ROWS for label, name, _ in _spelled_out(group)}
    return labels[figure].partition(",")[0]


def _spelled_out(group: Sequence[Row]) -> list[Row]:
    """Where a label is only a percentile, with what it is a percentile of."""
    subject, rows = "", []
    for label, name, decimals in group:
        if " p50" in label:
            subject = label.partition(" p50")[0]
        rows.append((f"{subject} {label}, s" if label.startswith("p9") else label, name, decimals))
    return rows


def _empty(title: str, columns: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _sessions(level: Level) -> str:
    return f"N = {level.sessions}" + ("\n(cut short)" if level.interrupted else "")


def _cell(column: Figures, name: str, decimals: int) -> Text:
    style = "dim" if column[name] is None else "red" if name in BAD and column[name] else ""
    return Text(shown(column, name, decimals), style=style)


def shown(column: Figures, name: str, decimals: int) -> str:
    """A figure as the reader sees it, a dash where there is none."""
    value = column[name]
    return "–" if value is None else f"{value * FACTORS.get(name, 1.0):z.{decimals}f}"


def by(new: float | None, old: float | None) -> float | None:
    """The ratio; None where one is missing or not above 0, as the latency of words that were guessed is."""
    return None if new is None or old is None or new < 0 or old <= 0 else new / old


def _ratio(new: float | None, old: float | None) -> Text:
    ratio = by(new, old)
    if ratio is None:
        return Text("–", style="dim")
    style = "" if 0.95 <= ratio <= 1.05 else "green" if ratio < 1 else "yellow"
    return Text(f"×{ratio:.2f}", style=style)
