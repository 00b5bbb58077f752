"""Checks the tables of figures on a terminal."""

import re
from dataclasses import asdict

import pytest

from bench.report.tables import compare_tables, figure_ratio, figures_tables
from tests.support.bench_results import SCORE, figures, level, text_of


def test_the_table_has_a_column_for_each_number_of_sessions() -> None:
    levels = [level(SCORE, sessions=1), level(SCORE, interrupted=True, sessions=8)]
    text = text_of(*figures_tables(levels, 120))
    assert "N = 1" in text
    assert re.search(r"N = 8 *\n.*\(cut short\)", text)
    assert "0.400" in text
    assert "GPU" not in text


def test_what_is_too_wide_for_a_terminal_is_several_tables() -> None:
    levels = [level(SCORE, sessions=2**k, interrupted=k == 9) for k in range(10)]
    tables = list(figures_tables(levels, 80))
    text = text_of(*tables, width=80)
    assert len(tables) == 3
    assert text.count("Time to final p50, s ") == 3
    assert "N = 512" in text
    assert "…" not in text


def test_ratios_to_an_older_result() -> None:
    old = asdict(figures(SCORE))
    new = {**old, "final_p50": 0.8, "wer_percent": None}
    other = {**old, "sessions": 64}
    text = text_of(*compare_tables([new, other], [old], 120))
    assert "×2.00" in text
    assert "N = 64" not in text
    assert "Time to final p95" in text
    assert "none of these numbers" in text_of(*compare_tables([other], [old], 120))


@pytest.mark.parametrize(("new", "old"), [(None, 1.0), (1.0, None), (1.0, 0.0), (0.1, -0.1), (-0.1, 0.1)])
def test_what_has_no_ratio(new: float | None, old: float | None) -> None:
    assert figure_ratio(new, old) is None
    assert figure_ratio(1.0, 2.0) == 0.5
