"""Makes the table of words that were lost, doubled and invented."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.table import Table

from bench.report.plain_table import plain_table

WORDS_CAPTION: Final = (
    "Faulty: cases with a fault, of all. Lost, doubled, invented: per 1,000 words said, against what the"
    " engine hears where each part is decoded alone. Missing: said and not in a final, the model's own misses"
    " included. Empty: finals without text behind a partial with text. Silent: 0.4 s of speech and more"
    " without any text."
)
WORDS_COLUMNS: Final = {
    "Kind": "kind",
    "Faulty": "faulty",
    "Said": "said",
    "Alone": "alone",
    "Lost": "lost",
    "Doubled": "doubled",
    "Invented": "invented",
    "Missing": "missing",
    "Empty": "empty",
    "Silent": "silent",
}
"""The field of a row by the heading of its column."""
RATES: Final = ("lost", "doubled", "invented", "missing")
"""Fields that are given per 1,000 words said."""


def words_cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table, of `{"kind", "cases", "faulty", "losses": {...}}`."""
    values = {**row, **row["losses"]}
    return [_cell(name, values) for name in WORDS_COLUMNS.values()]


def _cell(name: str, values: Mapping[str, Any]) -> str:
    if name == "faulty":
        return f"{values['faulty']}/{values['cases']}"
    if name in RATES:
        return f"{1_000 * values[name] / max(1, values['said']):.1f}"
    return str(values[name])


def words_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """A table with a row for each kind of case."""
    return plain_table(WORDS_COLUMNS, map(words_cells, rows), WORDS_CAPTION)
