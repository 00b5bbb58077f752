"""Checks how windows become turns, with windows and pieces that are made up."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.diarization.base import Turn
from engines.diarization.pieces import APART, LENGTH, SHORTEST, VoicePiece, cut_span
from engines.diarization.segmentation import (
    CLASSES,
    FRAMES,
    HOP,
    RATE,
    STEP,
    WINDOW,
    Window,
    count_frames,
    count_windows,
    spans_of,
)
from engines.diarization.stitching import activity, turns_of

NO_VOICE = np.zeros(192, np.float32)


def window(number: int, *spans: tuple[int, int, int], frames: int = FRAMES) -> Window:
    """A window in which persons speak: (person, first frame, frame behind the last)."""
    speaking = np.zeros((frames, 3), np.bool_)
    for person, start, end in spans:
        speaking[start:end, person] = True
    return Window(number, number * STEP, speaking)


def pieces(windows: Sequence[Window]) -> list[VoicePiece]:
    """The pieces of what persons say alone."""
    return [
        VoicePiece(each.number, person, start, end, NO_VOICE, NO_VOICE)
        for each in windows
        for person in range(3)
        for span in spans_of(each.alone[:, person])
        for start, end in cut_span(*span)
    ]


def test_a_person_is_one_speaker_whatever_the_number_in_a_window() -> None:
    windows = [window(0, (0, 100, 500)), window(1, (2, 0, 500 - STEP))]
    (turn,) = turns_of(windows, pieces(windows), np.zeros(len(pieces(windows)), np.intp))
    assert (turn.speaker, turn.overlap) == (0, False)
    assert turn.end - turn.start == pytest.approx(400 * HOP / RATE)


def test_who_is_heard_in_one_window_of_three_speaks() -> None:
    at = 2 * STEP + 50  # A frame that three windows see.
    windows = [window(0, (0, at, at + 100)), window(1), window(2)]
    (turn,) = turns_of(windows, pieces(windows), np.zeros(len(pieces(windows)), np.intp))
    assert turn.end - turn.start == pytest.approx(100 * HOP / RATE)


def test_overlap_is_a_turn_of_each_who_speaks() -> None:
    windows = [window(0, (0, 0, 300), (1, 200, 500))]
    found = pieces(windows)
    turns = turns_of(windows, found, np.array([piece.person for piece in found]))
    assert [(turn.speaker, turn.overlap) for turn in turns] == [(0, False), (0, True), (1, True), (1, False)]
    assert turns[1].start == turns[2].start
    assert turns[1].end == turns[2].end


def test_two_voices_that_a_window_takes_for_one_person_are_divided() -> None:
    windows = [window(0, (0, 0, 500))]
    found = pieces(windows)
    turns = turns_of(windows, found, np.array([int(piece.middle > 250) for piece in found]))
    assert [turn.speaker for turn in turns] == [0, 1]


def test_a_short_pause_does_not_divide_a_turn() -> None:
    windows = [window(0, (0, 0, 100), (0, 110, 200), (0, 230, 300))]
    turns = turns_of(windows, pieces(windows), np.zeros(len(pieces(windows)), np.intp))
    assert len(turns) == 2


def test_silence_has_no_turns() -> None:
    assert turns_of([window(0)], [], np.zeros(0, np.intp)) == list[Turn]()
    assert turns_of([], [], np.zeros(0, np.intp)) == list[Turn]()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_frame_has_more_speakers_than_people(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))
    seed = data.draw(st.integers(0, 1_000))
    rng = np.random.default_rng(seed)
    windows = [
        Window(n, n * STEP, CLASSES[np.repeat(rng.integers(0, 7, FRAMES // 19), 19)]) for n in range(count)
    ]
    found = pieces(windows)
    speaking = activity(windows, found, rng.integers(0, 4, len(found)))
    people = np.zeros(len(speaking))
    for each in windows:
        part = slice(each.first, each.first + len(each.speaking))
        people[part] = np.maximum(people[part], each.speaking.sum(axis=1))
    assert (speaking.sum(axis=1) <= people).all()


@given(st.integers(0, 2_000), st.integers(0, 2_000))
@settings(max_examples=60, deadline=None)
def test_pieces_cover_their_span(start: int, length: int) -> None:
    cuts = list(cut_span(start, start + length))
    if length < SHORTEST:
        assert cuts == []
        return
    assert cuts[0][0] == start
    assert cuts[-1][1] == start + length
    assert all(SHORTEST <= b - a <= LENGTH + APART // 2 for a, b in cuts)
    assert all(later[0] <= earlier[1] for earlier, later in pairwise(cuts))


@given(st.integers(0, 40 * RATE))
@settings(max_examples=60, deadline=None)
def test_windows_reach_the_end(samples: int) -> None:
    windows = count_windows(samples)
    assert (windows - 1) * STEP * HOP + WINDOW >= samples
    assert windows == 1 or (windows - 2) * STEP * HOP + WINDOW < samples
    assert (windows - 1) * STEP + FRAMES >= count_frames(samples) - (WINDOW // HOP - FRAMES)


def test_the_classes_are_all_sets_of_at_most_two_of_three() -> None:
    assert len({tuple(each) for each in CLASSES.tolist()}) == 7
    assert CLASSES.sum(axis=1).tolist() == [0, 1, 1, 1, 2, 2, 2]
