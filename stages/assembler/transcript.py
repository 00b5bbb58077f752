"""The transcript of one session: hypotheses in, texts that keep the protocol's promises out."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stages.alignment import REACH, common_prefix, continuation, repeated

AGREEING: Final = 5  # hypotheses in a row that must agree on a word before it is called stable
UNSTABLE: Final = 5  # words at the end of a hypothesis that are never called stable
# With these, freezing costs no accuracy on the test recordings and a quarter of the text shown is stable;
# 3 and 2 make it half, for 2 points of word error rate: partials are decoded without context (measured).


@dataclass(frozen=True, slots=True)
class PartialText:
    """The text of an utterance so far; the first `stable` characters will not change any more."""

    text: str
    stable: int


@dataclass(slots=True)
class UtteranceText:
    """The text of one utterance while it grows.

    Words on which the last hypotheses agree are frozen: later ones, and the final, go on behind them.
    """

    before: tuple[str, ...] = ()  # the last words before this utterance, which overlaps them
    begins: bool = False  # a sentence: what was said before has ended one
    frozen: list[str] = field(default_factory=list)
    _recent: deque[list[str]] = field(default_factory=lambda: deque(maxlen=AGREEING))

    def partial(self, text: str) -> PartialText:
        """Take a hypothesis of the whole utterance."""
        words = self._words(text)
        self._recent.append(words)
        if len(self._recent) == AGREEING:
            first, *others = self._recent
            agreed = min(common_prefix(first, other) for other in others)
            longest = min(agreed, min(map(len, self._recent)) - UNSTABLE)
            self.frozen += words[len(self.frozen) : max(longest, len(self.frozen))]
        return PartialText(" ".join(words), len(" ".join(self.frozen)))

    def final(self, text: str) -> str:
        """Take the last hypothesis: the text that stands."""
        return " ".join(self._words(text))

    def repeats(self, text: str) -> int:
        """How many of the first words of a hypothesis were said by the utterance before."""
        return repeated(self.before, text.split())

    def following(self, text: str) -> "UtteranceText":
        """The utterance behind this one, of which `text` was the final."""
        if not text:
            return UtteranceText(self.before, self.begins)
        words = (*self.before, *text.split())  # a short one may lie in the overlap as a whole
        return UtteranceText(words[-REACH:], text[-1] in ".!?")

    def _words(self, text: str) -> list[str]:
        words = text.split()[self.repeats(text) :]
        if self.begins and words:
            words[0] = words[0][0].upper() + words[0][1:]
        if words[: len(self.frozen)] == self.frozen:
            return words
        return self.frozen + words[continuation(self.frozen, words) :]


@dataclass(frozen=True, slots=True)
class Segment:
    """A final: its number and text, its times in samples."""

    utterance: int
    text: str
    start: int
    end: int
