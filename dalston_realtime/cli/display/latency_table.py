"""Prints the latency budget as a table, with what was measured beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.client.results.latency import OURS, TOTAL, WAIT, BudgetRow, Measured, budget_rows
from dalston_realtime.client.results.transcript import Sample

FAST: Final = "Without the budget: audio that is sent faster than at the pace of speech waits for its turn."
_STYLES = {TOTAL: "bold", OURS: "dim", WAIT: "dim"}


def print_budget(console: Console, samples: Sequence[Sample], fast: bool = False) -> None:
    """The budget with p50 and p95 beside it; what is over budget is yellow.

    With `fast` there is none: audio that is sent faster than it was spoken waits for its turn.
    """
    if not samples:
        console.print("No timing: the server sent no results that carry it.", style="dim")
        return
    console.print()
    rows = budget_rows(samples)
    if fast:
        rows = [replace(row, budget=None) for row in rows]
    console.print(budget_table(rows, _title(samples)))
    if fast:
        console.print(FAST, style="dim")


def budget_table(rows: Sequence[BudgetRow], title: str) -> Table:
    """The rows as a table, in ms."""
    table = Table(title=title, title_style="bold", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Stage")
    for name in ("Budget", "Partials p50", "p95", "Finals p50", "p95"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        if row.stage == TOTAL:
            table.add_section()
        budget = "–" if row.budget is None else f"~{row.budget:.0f}"
        measured = [*_pair(row.partials, row.budget), *_pair(row.finals, row.budget)]
        table.add_row(row.stage, budget, *measured, style=_STYLES.get(row.stage))
    return table


def _title(samples: Sequence[Sample]) -> str:
    finals = sum(sample.is_final for sample in samples)
    partials = len(samples) - finals
    return f"Latency, ms ({counted(partials, 'partial')}, {counted(finals, 'final')})"


def _pair(measured: Measured | None, budget: float | None) -> tuple[Text, Text]:
    if measured is None:
        return _figure(None, None), _figure(None, None)
    return _figure(measured.p50, budget), _figure(measured.p95, budget)


def _figure(ms: float | None, budget: float | None) -> Text:
    if ms is None:
        return Text("–", style="dim")
    over = budget is not None and ms > budget
    return Text(milliseconds(ms), style="yellow" if over else "")


def milliseconds(ms: float | None) -> str:
    """As far as it can be told: tenths only below ten."""
    return "–" if ms is None else f"{ms:.1f}" if ms < 9.95 else f"{ms:.0f}"
