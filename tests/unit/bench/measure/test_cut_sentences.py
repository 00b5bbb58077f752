"""Checks which finals count as ending inside a sentence."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure.cut_sentences import cut_sentences
from bench.recordings.recording import Recording

TEXT = "Ever tried. Ever failed. No matter. Try again, fail again, fail better."


def said(text: str | None, offline: str = "") -> Recording:
    return Recording("r", b"", text, tuple((word, 0.0, 0.0) for word in offline.split()), 0.0, 0.0)


@pytest.mark.parametrize(
    ("finals", "cut"),
    [
        ([TEXT], 0),
        ([], 0),
        (["Ever tried.", "Ever failed.", "No matter.", "Try again, fail again, fail better."], 0),
        (["Ever tried. Ever", "failed. No matter. Try again, fail again, fail better."], 1),
        (["Ever.", "Tried.", "Ever failed.", "No matter. Try again.", "Fail again.", "Fail better."], 3),
        (["Ever tried. Ever", "", "failed."], 1),
        (["ever tried", "ever failed", "no matter", "try again fail again fail better"], 0),
        (["Ever tired.", "Ever failed."], 0),  # misheard beside the end
        (["Ever tried. Ever sailed,", "so matter. Try again."], 0),
        (["Ever tried. Ever failed. No mat-", "ter. Try again."], 0),  # nobody knows
        (["Something else.", "Altogether."], 0),
        (["Ever tried. Ever failed. No matter. Try again, fail"], 0),  # the end is missing, not cut
    ],
)
def test_a_final_that_ends_inside_a_sentence_cuts_it(finals: Sequence[str], cut: int) -> None:
    assert cut_sentences(said(TEXT), finals) == cut


def test_a_sentence_ends_where_the_text_or_the_offline_pass_says_so() -> None:
    finals = ["Try again.", "Fail again.", "Fail", "better."]
    assert (
        cut_sentences(
            said("Try again. Fail again, fail better.", "Try again, fail again. Fail better."), finals
        )
        == 1
    )
    assert cut_sentences(said(None, "Try again, fail again. Fail better."), finals) == 2
    assert (
        cut_sentences(said("try again fail again fail better", "Try again. Fail again. Fail better."), finals)
        == 1
    )


@pytest.mark.parametrize(
    ("text", "offline"), [(None, ""), ("try again", ""), (None, "try again fail, again")]
)
def test_where_no_sentence_end_is_known_nothing_is_counted(text: str | None, offline: str) -> None:
    assert cut_sentences(said(text, offline), ["Try", "again."]) is None


def test_a_word_with_a_hyphen_is_two() -> None:
    assert (
        cut_sentences(
            said("Is to be ill-disposed. Had he married."), ["Is to be ill disposed", "had he married"]
        )
        == 0
    )
    assert (
        cut_sentences(said("Is to be ill-disposed. Had he married."), ["Is to be ill", "disposed had he"])
        == 1
    )


@given(st.lists(st.sampled_from(TEXT.split()), max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_no_more_sentences_are_cut_than_there_are_ends_of_finals(words: list[str], at: list[int]) -> None:
    edges = [0, *sorted(at), len(words)]
    finals = [" ".join(words[a:b]) for a, b in pairwise(edges)]
    cut = cut_sentences(said(TEXT), finals)
    assert cut is not None
    assert 0 <= cut <= max(0, sum(map(bool, finals)) - 1)
    assert not cut_sentences(said(" ".join(words) or None), [" ".join(words)])
