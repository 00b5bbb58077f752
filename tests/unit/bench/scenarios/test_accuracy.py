"""Checks the scenario that compares live texts with those of whole recordings."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.measure.text_changes import TextChanges
from bench.report.accuracy_table import accuracy_table
from bench.report.result_file import read_result
from bench.request import BenchRequest
from bench.scenarios.accuracy import TextComparison, measure, rows
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from tests.support.bench_results import text_of
from tests.support.builders import SECOND


def compared(name: str, live: int | None, whole: int | None, words: int) -> TextComparison:
    changes = TextChanges(10, (2, 1, 0))
    return TextComparison("talks", name, 2.0, "one", "two", words, live, whole, 10, 4, changes)


def test_a_row_has_the_rates_of_its_set() -> None:
    (row,) = rows([compared("a", 2, 1, 20), compared("b", None, None, 0)])
    assert (row.recordings, row.seconds, row.reference_words) == (2, 4.0, 20)
    assert (row.live, row.whole, row.differing) == (10.0, 5.0, 40.0)
    assert row.changes == TextChanges(20, (4, 2, 0))


def test_without_a_text_there_is_no_word_error_rate() -> None:
    (row,) = rows([compared("a", None, None, 0)])
    assert (row.live, row.whole, row.differing) == (None, None, 40.0)
    assert " -" in text_of(accuracy_table([asdict(row)]))


def test_a_set_that_is_not_there_is_refused(tmp_path: Path) -> None:
    request = BenchRequest(out=tmp_path / "out.json")
    with pytest.raises(UsageError, match="'songs' is none of reading, spontaneous, meetings"):
        measure(request, ["songs"])


def test_the_recordings_of_a_folder_are_played(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "talk.wav", np.full(2 * SECOND, 0.5), SECOND, "PCM_16")
    (tmp_path / "talk.txt").write_text("word1 word2")
    out, report = tmp_path / "out.json", tmp_path / "page.html"
    settings = {"models": "fast=instant:any"}
    request = BenchRequest(server_settings=settings, audio=tmp_path, out=out)
    assert measure(request, [], report) == ExitCode.OK
    (found,) = read_result(out)["results"]
    assert (found["set"], found["name"], found["reference_words"]) == ("own", "talk", 4)
    assert found["whole"]
    assert "What live transcription costs" in report.read_text()


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = {"models": "fast=instant:any"}
    request = BenchRequest(model="none", server_settings=settings, audio=tmp_path, out=tmp_path / "out.json")
    with pytest.raises(UsageError, match="there is no model 'none'"):
        measure(request, [])
