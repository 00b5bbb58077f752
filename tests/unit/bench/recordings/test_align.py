"""Checks how recordings are divided into segments and turns, and that the manifest fits the recordings."""

import pytest

from bench.recordings.align import WINDOW_S, join_spans, speech_spans, split_text, turn_edges, turns
from bench.recordings.embedded import embedded_recordings
from bench.recordings.words import normalized


def test_speech_begins_above_one_threshold_and_ends_below_another() -> None:
    probabilities = [0.1, 0.6, 0.4, 0.4, 0.3, 0.4, 0.9]
    assert list(speech_spans(probabilities)) == [(1 * WINDOW_S, 4 * WINDOW_S), (6 * WINDOW_S, 7 * WINDOW_S)]


def test_short_silences_are_joined_and_short_sounds_left_out() -> None:
    spans = [(0.0, 1.0), (1.05, 2.0), (3.0, 3.05), (4.0, 5.2)]
    assert join_spans(spans, 5.0) == [(0.0, 2.0), (4.0, 5.0)]


def test_turns_are_parted_in_long_pauses_only() -> None:
    segments = [(0.0, 1.0), (1.5, 3.0), (3.1, 4.0), (4.5, 8.0), (8.4, 8.9)]
    groups = turns(segments)
    assert groups == [((0.0, 1.0), (1.5, 3.0), (3.1, 4.0)), ((4.5, 8.0), (8.4, 8.9))]
    assert turn_edges(groups, 10.0) == [0.0, 4.25, 10.0]


def test_a_text_is_parted_by_when_its_words_were_heard() -> None:
    words = [("one", 0.0, 1.0), ("to", 1.0, 2.0), ("four", 5.0, 6.0), ("5", 6.0, 7.0)]
    assert split_text("One two three, four five", words, [3.0, 8.0]) == ["One two three,", "four five"]


def test_the_manifest_fits_the_recordings() -> None:
    found = embedded_recordings()
    assert {recording.name for recording in found} >= {"beckett", "two_cities", "endgame_nagg_nell"}
    assert len({recording.name for recording in found}) == len(found)
    for recording in found:
        assert 0 <= recording.speech_start < recording.speech_end <= recording.seconds + 0.001
        assert all(0 <= start <= end for _, start, end in recording.words)


def test_the_turns_of_a_recording_have_all_of_its_text() -> None:
    for name in ("beckett", "two_cities"):
        whole = next(recording for recording in embedded_recordings() if recording.name == name)
        parts = [recording for recording in embedded_recordings() if recording.name.startswith(f"{name}-")]
        assert " ".join(part.text or "" for part in parts) == whole.text
        assert sum(part.seconds for part in parts) == pytest.approx(whole.seconds, abs=0.01)


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert normalized("Well-known: I'm HERE, ok?") == "well known i'm here ok"
