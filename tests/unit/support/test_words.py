"""The check of the chaos suite: what counts as lost, as doubled, and as heard differently."""

import pytest

from tests.support.words import compare

SAID = "it was the best of times it was the worst of times"


@pytest.mark.parametrize(
    ("heard", "lost", "doubled", "different"),
    [
        ("It was the best of times, it was the worst of times.", 0, 0, 0),
        ("it was the best of it was the worst of times", 1, 0, 0),
        ("it was the best of times it it was the worst of times", 0, 1, 0),
        ("it was the rest of times it was the worst of times", 0, 0, 1),
        ("that's the best of times it was the worst of times", 0, 0, 1),
        ("it was the best of times", 6, 0, 0),
        ("it was the best of times it was the best of times it was the worst of times", 0, 6, 0),
    ],
)
def test_every_word_counts(heard: str, lost: int, doubled: int, different: int) -> None:
    found = compare(SAID, heard)
    assert (found.lost, found.doubled, found.different) == (lost, doubled, different)


def test_what_the_model_hears_so_anyway_does_not_count() -> None:
    assert compare("and we were all going", "and we all going").lost == 0
