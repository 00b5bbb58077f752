"""Shows figures as tables on a terminal, also as ratios to an older result."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, TypeAlias, TypeVar

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench.measure.load_level import LoadLevel

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
"""The rows in groups: label, figure, decimals."""
LABEL_WIDTH: Final = 26  # Characters; the longest label.
COLUMN_WIDTH: Final = 11  # Characters; "N = 1000" or "(cut short)", and the space between columns.
FACTORS: Final = {"lag_growth": 60.0, "client_late_max": 1000.0}  # Into the displayed unit: s per min, ms.
BAD: Final = ("failed", "late")  # Figures that should be 0 and are red otherwise.
COMPARED: Final = (
    "final_p50", "final_p95", "final_p99", "first_partial_p50", "word_p50", "word_p95", "taken_back_percent",
    "wer_percent", "cut_sentences", "cores_per_stream", "memory_mb",
)  # fmt: skip
"""Figures of which ratios to another result are shown; of each, less is better."""

FigureValues: TypeAlias = Mapping[str, Any]
"""Figures by name, as they are in a result file."""


def figures_tables(levels: Sequence[LoadLevel], width: int) -> Iterator[Table]:
    """Tables with a column for each number of sessions; several, where more columns than fit into `width`."""
    for fitting in _split(levels, width):
        yield figures_table(fitting)


def _split(columns: Sequence[T], width: int) -> Iterator[Sequence[T]]:
    limit = max(1, (width - LABEL_WIDTH) // COLUMN_WIDTH)
    for at in range(0, len(columns), limit):
        yield columns[at : at + limit]


def figures_table(levels: Sequence[LoadLevel]) -> Table:
    """A table with a column for each number of sessions."""
    columns = [asdict(level.figures) for level in levels]
    table = _empty("Figure", [_sessions(level) for level in levels])
    for group in ROWS:
        table.add_section()
        for label, name, decimals in group:
            if any(column.get(name) is not None for column in columns):
                table.add_row(label, *(_cell(column, name, decimals) for column in columns))
    return table


def compare_tables(
    new: Sequence[FigureValues], old: Sequence[FigureValues], width: int
) -> Iterator[RenderableType]:
    """Tables of the ratio of new figures to old ones, for each number of sessions that both have."""
    older = {column["sessions"]: column for column in old}
    both = [column for column in new if column["sessions"] in older]
    if not both:
        yield Text("The older result has none of these numbers of sessions.\n", style="yellow")
    for fitting in _split(both, width):
        table = _empty("New by old", [f"N = {column['sessions']}" for column in fitting])
        for name in COMPARED:
            ratios = [
                _ratio_cell(column.get(name), older[column["sessions"]].get(name)) for column in fitting
            ]
            table.add_row(figure_name(name), *ratios)
        yield table


def flush_note(after: float) -> str:
    """Explain the time to final where the client flushes."""
    return f"Time to final counts from the end of speech; the client says flush {after:g} s after it."


def figure_name(figure: str) -> str:
    """The label of a figure, without its unit."""
    labels = {name: label for group in ROWS for label, name, _ in _full_labels(group)}
    return labels[figure].partition(",")[0]


def _full_labels(group: Sequence[Row]) -> list[Row]:
    """The rows with complete labels: `p95` becomes `Time to final p95`."""
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


def _sessions(level: LoadLevel) -> str:
    return f"N = {level.sessions}" + ("\n(cut short)" if level.interrupted else "")


def _cell(column: FigureValues, name: str, decimals: int) -> Text:
    style = "dim" if column[name] is None else "red" if name in BAD and column[name] else ""
    return Text(format_figure(column, name, decimals), style=style)


def format_figure(column: FigureValues, name: str, decimals: int) -> str:
    """A figure in its displayed unit; a dash where there is none."""
    value = column[name]
    return "–" if value is None else f"{value * FACTORS.get(name, 1.0):z.{decimals}f}"


def figure_ratio(new: float | None, old: float | None) -> float | None:
    """New by old; None where one is missing or has no ratio, as the negative latency of predicted words."""
    return None if new is None or old is None or new < 0 or old <= 0 else new / old


def _ratio_cell(new: float | None, old: float | None) -> Text:
    ratio = figure_ratio(new, old)
    if ratio is None:
        return Text("–", style="dim")
    style = "" if 0.95 <= ratio <= 1.05 else "green" if ratio < 1 else "yellow"
    return Text(f"×{ratio:.2f}", style=style)
