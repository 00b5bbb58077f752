"""Makes the table that compares live texts with those of whole recordings."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table

from bench.report.plain_table import plain_table

ACCURACY_CAPTION: Final = (
    "All rates are in percent. Live and whole: word errors against the reference text, of the live session"
    " and of the same engine on the recording as a whole (in pieces of at most 15 s, cut at quiet points)."
    " Differ: words by which the live text differs from that of the whole. Back: words that were taken back,"
    " of those that a client has shown; last, 2nd, rest: where they stood, counted from the end of the text."
)
ACCURACY_COLUMNS: Final = (
    "Set", "Files", "Seconds", "Words", "Live", "Whole", "Differ", "Back", "last", "2nd", "rest",
)  # fmt: skip


def accuracy_cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table, of the fields of `AccuracyRow`."""
    shown, places = row["changes"]["shown"], row["changes"]["taken_back"]
    counts = [str(row["recordings"]), f"{row['seconds']:.0f}", str(row["reference_words"])]
    rates = [_percent(row[name]) for name in ("live", "whole", "differing")]
    back = [_percent(100 * count / max(1, shown)) for count in (sum(places), *places)]
    return [row["set"], *counts, *rates, *back]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def accuracy_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table with a row for each set."""
    return plain_table(ACCURACY_COLUMNS, map(accuracy_cells, rows), ACCURACY_CAPTION)
