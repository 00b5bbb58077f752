"""Checks the ratios between a tree and a revision, and the folder with the files of a revision."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.scenarios.regression import ComparisonRound, FigureRatio, ratios, table
from bench.scenarios.revision import revision_files
from dalston_realtime.client.errors import UsageError
from runtime.local_server import ROOT
from tests.support.bench_results import SCORE, level, text_of


def played(new: float, old: float) -> ComparisonRound:
    return ComparisonRound(*(level(replace(SCORE, time_to_final=seconds)) for seconds in (new, old)))


def test_each_round_is_compared_with_itself() -> None:
    found = ratios([played(0.4, 0.4), played(1.2, 0.8), played(0.6, 0.5)])
    final = next(ratio for ratio in found if ratio.figure == "final_p50")
    assert (final.median, final.least, final.most) == pytest.approx((1.2, 1.0, 1.5))
    assert not final.clear


@pytest.mark.parametrize(
    ("least", "most", "clear"), [(0.8, 0.9, True), (1.1, 1.3, True), (0.9, 1.3, False), (0.98, 0.99, False)]
)
def test_only_what_all_rounds_agree_on_is_clear(least: float, most: float, *, clear: bool) -> None:
    assert FigureRatio("final_p50", (least + most) / 2, least, most).clear == clear


def test_without_rounds_there_are_no_ratios() -> None:
    assert ratios([]) == []


def test_the_table_says_what_is_better_and_what_is_worse() -> None:
    found = [
        FigureRatio("final_p50", 0.8, 0.7, 0.9),
        FigureRatio("memory_mb", 1.2, 1.1, 1.3),
        FigureRatio("word_p50", 1.0, 0.9, 1.2),
    ]
    text = text_of(table(found, "v1", 3))
    assert "The tree by v1, 3 rounds" in text
    assert (text.count("better"), text.count("worse")) == (2, 1)


def test_a_revision_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="git worktree: "), revision_files("no-such-revision"):
        pass


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a repository")
def test_a_revision_has_its_files_in_a_folder_of_its_own() -> None:
    with revision_files("HEAD") as path:
        assert (path / "Procfile").is_file()
        assert path != ROOT
    assert not Path(path).exists()
