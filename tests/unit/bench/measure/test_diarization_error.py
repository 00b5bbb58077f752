"""Checks the diarization error rate on turns that are made up; pyannote.metrics gives the same numbers."""

from collections.abc import Hashable

import pytest

from bench.measure.diarization_error import DiarizationErrors, best_assignment, diarization_errors

REFERENCE = [(0.0, 10.0, "a"), (10.0, 20.0, "b")]


def test_other_names_are_no_errors() -> None:
    errors = diarization_errors(REFERENCE, [(0.0, 10.0, 7), (10.0, 20.0, 3)], 30.0)
    assert errors == DiarizationErrors(
        speech=19.0
    )  # 0.25 s at each of three edges, and two at the one within.
    assert errors.rate == 0.0


def test_each_kind_of_error_counts() -> None:
    found = [(0.0, 8.0, 1), (10.0, 16.0, 2), (16.0, 20.0, 1), (22.0, 25.0, 2)]
    errors = diarization_errors(REFERENCE, found, 30.0, collar=0.0)
    assert errors == DiarizationErrors(speech=20.0, missed=2.0, invented=3.0, confused=4.0)
    assert errors.rate == pytest.approx(45.0)


def test_overlap_counts_for_each_speaker() -> None:
    errors = diarization_errors([(0.0, 10.0, "a"), (5.0, 10.0, "b")], [(0.0, 10.0, 1)], 10.0, collar=0.0)
    assert errors == DiarizationErrors(speech=15.0, missed=5.0)


def test_an_edge_within_the_collar_is_no_error() -> None:
    assert diarization_errors(REFERENCE, [(0.2, 10.2, 1), (10.2, 19.8, 2)], 30.0).rate == 0.0


def test_silence_has_no_rate() -> None:
    assert diarization_errors([], [], 30.0).rate == 0.0


def test_the_assignment_is_the_best_of_all_and_not_greedy() -> None:
    together: dict[tuple[Hashable, Hashable], float] = {
        ("a", 1): 10.0,
        ("a", 2): 9.0,
        ("b", 1): 8.0,
        ("b", 2): 1.0,
    }
    assert best_assignment(together) == {"a": 2, "b": 1}
