"""Checks how the words are counted that a growing text shows and takes back."""

import pytest

from bench.measure.text_changes import TextChanges, count_changes


@pytest.mark.parametrize(
    ("texts", "shown", "taken_back"),
    [
        ([], 0, (0, 0, 0)),
        (["one", "one two", "One two."], 2, (0, 0, 0)),
        (["one", "won two", "won two"], 3, (1, 0, 0)),
        (["one two three", "one"], 3, (1, 1, 0)),
        (["a b c d e", "x b c d e"], 10, (1, 1, 3)),
    ],
)
def test_words_taken_back_are_counted_by_their_place_from_the_end(
    texts: list[str], shown: int, taken_back: tuple[int, ...]
) -> None:
    assert count_changes(texts) == TextChanges(shown, taken_back)


def test_the_sum_of_two_texts() -> None:
    both = TextChanges(3, (1, 1, 0)) + TextChanges(2, (0, 0, 1))
    assert both == TextChanges(5, (1, 1, 1))
    assert both.all_taken_back == 3
