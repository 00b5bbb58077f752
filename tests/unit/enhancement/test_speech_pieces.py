"""Speech is cut at pauses, and what is long at its longest silence."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engines.silero import WINDOW
from enhancement.speech_pieces import PAD, PieceRules, SpeechFinder, cut_pieces
from tests.support.loud_vad import LoudIsSpeech

SECOND = 16_000


def seconds(*spans: tuple[float, float]) -> list[tuple[int, int]]:
    return [(round(first * SECOND), round(last * SECOND)) for first, last in spans]


def cut(*spans: tuple[float, float], length: float = 60.0, **rules: int) -> list[tuple[float, float]]:
    found = cut_pieces(seconds(*spans), round(length * SECOND), PieceRules(**rules))
    return [(round(p.first / SECOND, 2), round(p.last / SECOND, 2)) for p in found]


def test_a_pause_is_a_cut() -> None:
    assert cut((1, 2), (2.2, 3), (4, 5), joined=0) == [(0.8, 3.2), (3.8, 5.2)]


def test_pieces_are_joined_up_to_a_length() -> None:
    assert cut((1, 2), (4, 5), (9, 12), joined=5 * SECOND) == [(0.8, 5.2), (8.8, 12.2)]


def test_what_is_long_is_cut_at_its_longest_silence() -> None:
    spans = ((0, 4), (4.1, 8), (8.4, 12), (12.1, 16))
    assert cut(*spans, longest=10 * SECOND, joined=0) == [(0.0, 8.2), (8.2, 16.2)]


def test_speech_without_any_silence_is_cut_in_the_middle() -> None:
    assert cut((0, 16), longest=10 * SECOND, joined=0) == [(0.0, 8.0), (8.0, 16.2)]


def test_the_padding_ends_with_the_recording() -> None:
    assert cut((0, 5), length=5.0) == [(0.0, 5.0)]


def test_silence_has_no_pieces() -> None:
    assert cut() == []


@given(
    gaps=st.lists(st.tuples(st.integers(0, 40_000), st.integers(1_600, 400_000)), max_size=30),
    rules=st.builds(PieceRules, joined=st.sampled_from([0, 10 * SECOND, 28 * SECOND])),
)
def test_all_speech_is_in_one_piece_and_pieces_do_not_overlap(
    gaps: list[tuple[int, int]], rules: PieceRules
) -> None:
    at, stretches = 0, []
    for gap, length in gaps:
        stretches.append((at + gap, at + gap + length))
        at += gap + length
    pieces = cut_pieces(stretches, at, rules)
    assert all(a.last <= b.first for a, b in pairwise(pieces))
    assert sum(last - first for p in pieces for first, last in p.speech) == sum(b - a for a, b in stretches)
    assert all(p.speech[-1][1] - p.speech[0][0] <= max(rules.longest, rules.joined) for p in pieces)
    assert all(p.last - p.first <= max(rules.longest, rules.joined) + 2 * PAD for p in pieces)


def test_the_speech_does_not_depend_on_the_blocks() -> None:
    sound = np.zeros(10 * SECOND, np.float32)
    sound[2 * SECOND : 4 * SECOND] = 0.5
    sound[9 * SECOND :] = 0.5
    found = []
    for size in (700, 16_000, 160_000):
        finder = SpeechFinder(LoudIsSpeech())  # type: ignore[arg-type]
        for at in range(0, len(sound), size):
            finder.append(sound[at : at + size])
        found.append(finder.finish())
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 2
    assert abs(found[0][0][0] - 2 * SECOND) <= WINDOW
