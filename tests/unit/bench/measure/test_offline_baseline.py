"""Checks how live results are compared with those of the same engine on whole recordings."""

from dataclasses import replace

import pytest

from bench.measure.offline_baseline import offline_baseline
from bench.recordings.recording import Recording
from tests.support.bench_results import SCORE

INSTANT = "fast=instant:any"


def recording(name: str, seconds: float, text: str | None = "word1 word2") -> Recording:
    return Recording(name, bytes(round(seconds * 32_000)), text, (), 0.0, seconds)


def test_both_are_over_the_same_recordings_as_often_as_they_were_played() -> None:
    recordings = [recording("right", 1.0), recording("wrong", 1.0, "word1 things")]
    scores = [
        replace(SCORE, recording="right", word_errors=1, reference_words=2),
        replace(SCORE, recording="right", word_errors=0, reference_words=2),
        replace(SCORE, recording="wrong", word_errors=2, reference_words=2),
    ]
    found = offline_baseline(INSTANT, "fast", recordings, scores)
    assert found is not None
    assert found.live == pytest.approx(50.0)
    assert found.whole == pytest.approx(100 / 3, abs=0.001)
    assert "50.0 % live, 33.3 % where" in str(found)


@pytest.mark.parametrize(
    ("only", "model"),
    [
        (recording("hello", 16.0), "fast"),
        (recording("hello", 1.0, None), "fast"),
        (recording("other", 1.0), "fast"),
        (recording("hello", 1.0), "accurate"),
    ],
)
def test_where_there_is_nothing_to_compare(only: Recording, model: str) -> None:
    assert offline_baseline(INSTANT, model, [only], [SCORE]) is None
