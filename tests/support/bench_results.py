"""Builds results of the benchmark for its tests: scores, usage, figures and load levels."""

import os

from rich.console import Console

from bench.measure.figures import Figures, summarize
from bench.measure.load_level import LoadLevel
from bench.measure.process_usage import ProcessUsage
from bench.measure.score import Score
from dalston_realtime.client.results.latency import budget_rows

USAGE = ProcessUsage(10.0, 4.0, 250_000_000, None, 0.5, 0.25)
SCORE = Score(
    session=0,
    recording="hello",
    began=0.0,
    seconds=2.0,
    connected=4.0,
    client_late=0.002,
    text="hello",
    error=None,
    failed=False,
    late=False,
    time_to_final=0.4,
    time_to_settle=0.3,
    first_partial=0.5,
    word_latency=(0.1, 0.2, 0.3),
    word_ends=(0.5, 1.0, 1.5),
    shown_words=10,
    taken_back=1,
    word_errors=1,
    reference_words=8,
)


def figures(*scores: Score, usage: ProcessUsage = USAGE) -> Figures:
    return summarize(2, scores, usage)


def level(*scores: Score, interrupted: bool = False, sessions: int = 2) -> LoadLevel:
    found = summarize(sessions, scores, USAGE)
    return LoadLevel(sessions, interrupted, found, tuple(budget_rows([])), (), scores)


def text_of(*tables: object, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(*tables, sep="")
    return console.export_text()
