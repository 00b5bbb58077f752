"""Turns the hypotheses of one session into stable partials and finals."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stages.alignment import REACH, common_prefix, continuation, repeated
from stages.assembler.held_text import HeldText

AGREEING: Final = 5
"""Hypotheses in a row that must agree on a word before it is called stable.

With 5, and 5 unstable words, stable words cost no accuracy on the test recordings and a quarter of the text
shown is stable. With 3 and 2 it is half, for 2 points of word error rate, because partials are decoded
without context (measured).
"""

UNSTABLE: Final = 5  # Words at the end of a hypothesis that are never called stable: see `AGREEING`.


@dataclass(frozen=True, slots=True)
class PartialText:
    """The text of an utterance so far; the first `stable` characters will not change any more."""

    text: str
    stable: int


@dataclass(slots=True)
class UtteranceText:
    """The text of one utterance while it grows.

    Words on which the last hypotheses agree are stable: later ones, and the final, go on behind them.
    """

    previous_words: tuple[str, ...] = ()  # the last ones before this utterance, which overlaps them
    overlap: float = math.inf  # words that the overlap holds, at the speaker's usual pace
    begins_sentence: bool = False  # the utterance before has ended one
    stable_words: list[str] = field(default_factory=list)
    _held: HeldText = field(default_factory=HeldText)
    _recent: deque[list[str]] = field(default_factory=lambda: deque(maxlen=AGREEING))

    def append_partial(self, text: str, probabilities: Sequence[float] = ()) -> PartialText:
        """The text to show, after one more hypothesis of the whole utterance.

        Without the probabilities of its words all of them are shown.
        """
        words = self._own_words(text)
        self._recent.append(words)
        if len(self._recent) == AGREEING:
            first, *others = self._recent
            agreed = min(common_prefix(first, other) for other in others)
            longest = min(agreed, min(map(len, self._recent)) - UNSTABLE)
            self.stable_words += words[len(self.stable_words) : max(longest, len(self.stable_words))]
        shown = self._words_to_show(words, probabilities) if probabilities else words
        return PartialText(" ".join(shown), len(" ".join(self.stable_words)))

    def _words_to_show(self, words: Sequence[str], probabilities: Sequence[float]) -> list[str]:
        """The words that are likely to stay, and all that are stable in any case."""
        stable = len(self.stable_words)
        if common_prefix(self._held.shown, self.stable_words) < min(len(self._held.shown), stable):
            self._held = HeldText(list(self.stable_words))
        own = probabilities[max(0, len(probabilities) - len(words)) :]
        stable_alone = [1.0] * (len(words) - len(own))  # Words that the hypothesis itself lacks.
        shown = self._held.choose(words, [*stable_alone, *own])
        return [*self.stable_words, *shown[stable:]]

    def finalize(self, text: str) -> str:
        """The text of the utterance, after its last hypothesis."""
        return " ".join(self._own_words(text))

    def count_repeated(self, text: str) -> int:
        """How many of the first words of a hypothesis belong to the utterance before."""
        return repeated(self.previous_words, text.split(), self.overlap)

    def following(self, text: str) -> "UtteranceText":
        """The utterance behind this one, of which `text` was the final."""
        if not text:
            return UtteranceText(self.previous_words, begins_sentence=self.begins_sentence)
        words = (*self.previous_words, *text.split())  # a short one may lie in the overlap as a whole
        return UtteranceText(words[-REACH:], begins_sentence=text[-1] in ".!?")

    def _own_words(self, text: str) -> list[str]:
        words = text.split()[self.count_repeated(text) :]
        if self.begins_sentence and words:
            words[0] = words[0][0].upper() + words[0][1:]
        if words[: len(self.stable_words)] == self.stable_words:
            return words
        return self.stable_words + words[continuation(self.stable_words, words) :]


@dataclass(frozen=True, slots=True)
class FinalText:
    """A final with text: its number, and its times in samples."""

    utterance: int
    text: str
    start: int
    end: int

    @property
    def pace(self) -> float:
        """Words in a sample."""
        return len(self.text.split()) / max(1, self.end - self.start)
