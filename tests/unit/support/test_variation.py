"""The comparison of the chaos suite: a passage counts unless an undisturbed session has heard the same."""

import pytest

from tests.support.chaos.variation import Variation, count_doubled, count_lost

SAID = "it was the best of times it was the worst of times"


@pytest.mark.parametrize(
    ("heard", "lost", "doubled"),
    [
        ("It was the best of times, it was the worst of times.", 0, 0),
        ("it was the best of it was the worst of times", 1, 0),
        ("it was the best of times it it was the worst of times", 0, 1),
        ("that's the best of times it was the worst of times", 1, 0),
        ("it was the best of times", 6, 0),
        ("", 12, 0),
    ],
)
def test_every_word_counts(heard: str, lost: int, doubled: int) -> None:
    found = Variation().unknown(SAID, heard)
    assert (count_lost(found), count_doubled(found)) == (lost, doubled)


def test_what_an_undisturbed_session_hears_there_does_not_count() -> None:
    variation = Variation()
    variation.learn(SAID, ["of times it's the worst of times"])
    assert variation.unknown(SAID, "it was the best of times it's the worst of times") == []
    assert count_lost(variation.unknown(SAID, "it's the best of times it was the worst of times")) == 1
