"""Checks how word errors are counted."""

import pytest

from bench.measure.word_errors import false_words, word_errors


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ("I am here", "I'm here.", (0, 3)),
        ("try again", "", (2, 2)),
        ("", "try again", (2, 0)),
        ("", "", (0, 0)),
        ("try again", "try a gain", (2, 2)),
    ],
)
def test_word_errors(reference: str, text: str, expected: tuple[int, int]) -> None:
    assert word_errors(reference, text) == expected


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ("", "Thank you.", (2, 0)),
        ("", "", (0, 0)),
        ("try again", "Try again.", (0, 2)),
        ("try again", "try a train", (1, 2)),
        ("try again", "", (0, 2)),
        ("try again", "try again, thank you", (2, 2)),
    ],
)
def test_words_that_nobody_said(reference: str, text: str, expected: tuple[int, int]) -> None:
    assert false_words(reference, text) == expected
