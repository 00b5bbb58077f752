"""Chooses which words of an unfinished utterance are shown, so that few of them are taken back.

A model that hears the beginning of an utterance again and again changes its mind: at the end, where the audio
stops inside a word, and far before it, where two spellings take turns. So a word is shown when two hypotheses
in a row have it, or when the model is sure of it; and a word that was shown and agreed on is held until
several hypotheses in a row have had another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stages.alignment import common_prefix, continuation, normal

SURE: Final = 0.6
"""Probability with which a new word is shown at once. With 0.6, and 0.8 for the last word, 29 instead of
60 % of the words shown are taken back where people read, 34 instead of 71 % where they speak freely, and the
median word is shown 51 and 127 ms later; with 0.5 and 0.7 34 and 36 %, 30 and 95 ms; with 0.8 and 0.95 24 and
30 %, 84 and 197 ms (measured with Moonshine tiny, partials every 300 ms)."""

SURE_OF_FIRST: Final = 0.5  # Likewise of the first word of an utterance: the first text is to come early.
SURE_OF_LAST: Final = 0.8  # Likewise of the last word, inside of which the audio may stop.
RELEASED_AFTER: Final = 5  # Hypotheses in a row that differ from what is held, until it is given up.


@dataclass(slots=True)
class HeldText:
    """The words of one utterance that are shown, and those of them that are held."""

    held: list[str] = field(default_factory=list)
    _shown: list[str] = field(default_factory=list)
    _previous: list[str] = field(default_factory=list)  # the hypothesis before
    _differing: int = 0  # hypotheses in a row that had other words than the held ones

    def choose(self, words: Sequence[str], probabilities: Sequence[float]) -> list[str]:
        """The words to show, after a hypothesis with these words, each with its probability (0 to 1)."""
        agreed = _same_start(words, self._previous)
        self._previous = list(words)
        at = self._goes_on_at(words, agreed)
        found = [*self.held, *words[at:]]
        sure = [*([1.0] * len(self.held)), *probabilities[at:]]
        known = _same_start(found, self._shown)
        if not self._differing:
            known = max(known, agreed)
        self._shown = found[: _count_sure(sure, known)]
        if not self._differing:
            self.held = found[: max(len(self.held), min(agreed, len(words) - 1, len(self._shown)))]
        return self._shown

    def _goes_on_at(self, words: Sequence[str], agreed: int) -> int:
        """Where in a hypothesis the held words end; what is held is given up where it has to be."""
        kept = _same_start(words, self.held)
        if kept == len(self.held):
            self._differing = 0
            self.held = list(words[:kept])  # Its marks may be better by now.
            return kept
        self._differing += 1
        settled = agreed >= min(len(self.held), len(words))  # Two hypotheses agree on other words.
        if self._differing > RELEASED_AFTER and (settled or self._differing > 2 * RELEASED_AFTER):
            del self.held[kept:]
            self._differing = 0
            return kept
        return continuation(self.held, words)


def _same_start(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two texts have in common at their start, whatever their marks and capitals."""
    return common_prefix([normal(word) for word in one], [normal(word) for word in other])


def _count_sure(probabilities: Sequence[float], known: int) -> int:
    """How many words from the start are known or sure."""
    last = len(probabilities) - 1
    for at in range(known, len(probabilities)):
        needed = SURE_OF_FIRST if at == 0 else SURE_OF_LAST if at == last else SURE
        if probabilities[at] < needed:
            return at
    return len(probabilities)
