"""Checks the scenario that counts lost words: what it plays, its sums, its table and its files."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from bench.measure.word_losses import WordLosses
from bench.recordings.spoken_case import SpokenCase
from bench.recordings.spoken_kinds import KINDS
from bench.report.result_file import read_result
from bench.report.words_table import words_table
from bench.request import BenchRequest
from bench.scenarios.words import WordsPlan, WordsRow, measure, rows, transcripts
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client import Event
from dalston_realtime.protocol.errors import DalstonError
from dalston_realtime.protocol.events import Final
from tests.support.bench_results import text_of
from tests.support.builders import SECOND
from tests.support.loud_words import LoudWords


def test_without_options_all_kinds_are_played_once() -> None:
    plan = WordsPlan.of(None, 1, None, 4)
    assert plan.kinds == tuple(KINDS)
    assert len(plan.cases("answers", 1)) == 68


@pytest.mark.parametrize("limit", [1, 5, 68])
def test_of_many_cases_some_of_all_are_played(limit: int) -> None:
    plan = WordsPlan.of(["answers"], 1, limit, 4)
    assert 1 <= len(plan.cases("answers", 1)) <= limit


def test_a_kind_that_is_not_there_is_refused() -> None:
    with pytest.raises(DalstonError, match="'letters' is none of numbers, answers"):
        WordsPlan.of(["letters"], 1, None, 4)


def exact(cases: Sequence[SpokenCase], seed: int) -> Iterable[list[Event]]:
    """A server that gets everything right, but for the last part of each case."""
    for case in cases:
        yield [
            Final(text=part.text, utterance=number, start=part.start / SECOND, end=part.end / SECOND)
            for number, part in enumerate(case.parts[:-1], 1)
        ]


def test_faults_are_summed_by_kind_and_over_all() -> None:
    engine = LoudWords("no")
    found = [
        transcript
        for kind in ("numbers", "answers")
        for transcript in transcripts(WordsPlan.of([kind], 1, 2, 4).cases(kind, 1), 1, engine, exact)
    ]
    table = rows(found)
    assert [(row.kind, row.cases) for row in table] == [("numbers", 2), ("answers", 2), ("all", 4)]
    assert table[2].losses == table[0].losses + table[1].losses
    assert table[0].losses.doubled == table[0].losses.invented == 0


def test_the_table_gives_faults_per_thousand_words() -> None:
    row = WordsRow(
        "push-to-talk", 120, 7, WordLosses(said=2_000, alone=1_990, recognized=1_980, lost=5, empty=3)
    )
    text = text_of(words_table([asdict(row)]), width=80)
    assert next(line for line in text.splitlines() if "push" in line).split() == [
        *("push-to-talk", "7/120", "2000", "1990", "2.5", "0.0", "0.0", "0.0", "3", "0")
    ]
    assert "…" not in text


def test_cases_are_played_and_saved_with_a_report(tmp_path: Path) -> None:
    request = BenchRequest(server_settings={"models": "fast=instant:any"}, out=tmp_path / "found.json")
    report = tmp_path / "report.html"
    plan = WordsPlan.of(["numbers", "push-to-talk"], 2, 2, 4)
    assert measure(request, plan, report) == ExitCode.OK
    found = read_result(request.out)
    assert [each["kind"] for each in found["answer"]] == ["numbers", "push-to-talk", "all"]
    assert len(found["results"]) == 8
    assert {each["seed"] for each in found["results"]} == {1, 2}
    assert found["settings"]["seeds"] == 2
    assert "Which words get lost" in report.read_text()


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    request = BenchRequest(
        server_settings={"models": "fast=instant:any"}, model="accurate", out=tmp_path / "found.json"
    )
    with pytest.raises(DalstonError, match="no model 'accurate'"):
        measure(request, WordsPlan())
