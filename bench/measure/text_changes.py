"""Counts the words of a growing text that appear and that are taken back again."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.recordings.words import normalized
from stages.alignment import common_prefix

PLACES: Final = 3  # Places from the end that are told apart: the last word, the one before it, all earlier.


@dataclass(frozen=True, slots=True)
class TextChanges:
    """How many words appeared, and how many the next text took back, by their place from the end.

    `taken_back[0]` counts those that were the last word of their text, `[1]` the last but one, `[2]` all
    others.
    """

    shown: int = 0
    taken_back: tuple[int, ...] = (0,) * PLACES

    def __add__(self, other: "TextChanges") -> "TextChanges":
        """The sums of both."""
        both = zip(self.taken_back, other.taken_back, strict=True)
        return TextChanges(self.shown + other.shown, tuple(a + b for a, b in both))

    @property
    def all_taken_back(self) -> int:
        """The words that were taken back, at any place."""
        return sum(self.taken_back)


def count_changes(texts: Iterable[str]) -> TextChanges:
    """Compare successive texts word by word; changes of case and punctuation do not count."""
    shown, gone = 0, [0] * PLACES
    before: list[str] = []
    for text in texts:
        words = normalized(text).split()
        same = common_prefix(words, before)
        shown += len(words) - same
        for place in range(len(before) - same):  # Counted from the end.
            gone[min(place, PLACES - 1)] += 1
        before = words
    return TextChanges(shown, tuple(gone))
