"""Chooses which words of an unfinished utterance are shown, so that few of them are taken back.

A model that hears the beginning of an utterance again and again changes its mind: at the end, where the audio
stops inside a word, and far before it, where two spellings take turns. So a word is shown when the model is
sure enough of it, at once or over several hypotheses. Where a hypothesis has another word than the one that
is shown, nothing is shown behind it until it is settled which of the two stays: whatever stands behind a word
that changes is taken back with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from stages.alignment import common_prefix, normal

SHOWN: Final = 0.4
"""Sum of the probabilities of a word, over hypotheses in a row that have it, from which it is shown. With 0.5
and words that are shown one hypothesis in ten fewer are taken back, and the median word is 10 to 40 ms later
(measured, as all of these values, with Moonshine tiny and base, partials every 300 ms)."""

LAST_SHOWN: Final = 0.8  # Likewise of the last word, inside of which the audio may stop, but for the first.
LEAST: Final = 0.2  # What a hypothesis counts at least: a word that is heard again and again is shown.
REPLACED: Final = 1.6
"""Sum, over hypotheses in a row that have another word than the one that is shown, of the cubes of its
probability, from which it takes its place. So a word of which the model is not sure (0.5 counts 0.13) hardly
counts, and two hypotheses that are sure are enough."""

REPLACED_AFTER: Final = 6  # Hypotheses in a row that have the other word, from which it is shown in any case.


@dataclass(slots=True)
class HeldText:
    """The words of one utterance that are shown."""

    shown: list[str] = field(default_factory=list)
    _previous: list[str] = field(default_factory=list)  # the hypothesis before, as words are compared
    _evidence: list[float] = field(default_factory=list)  # of each of its words
    _rival: tuple[int, str] | None = None  # another word than the one shown, and its place
    _rivals: int = 0  # hypotheses in a row that had it
    _rival_evidence: float = 0.0

    def choose(self, words: Sequence[str], probabilities: Sequence[float]) -> list[str]:
        """The words to show, after a hypothesis with these words, each with its probability (0 to 1)."""
        heard = [normal(word) for word in words]
        self._add_evidence(heard, probabilities)
        kept = common_prefix(heard, [normal(word) for word in self.shown])
        if kept < len(self.shown) and not self._is_replaced(heard, probabilities, kept):
            return self.shown
        self._rival = None
        self.shown = list(words[: self._count_sure(kept)])  # Its marks and capitals may be better by now.
        return self.shown

    def _add_evidence(self, heard: list[str], probabilities: Sequence[float]) -> None:
        """Sum up how sure the model has been of each word since it stands there, behind the same words."""
        agreed = common_prefix(heard, self._previous)
        earlier = self._evidence[:agreed]
        now = [max(LEAST, probability) for probability in probabilities]
        self._evidence = [a + b for a, b in zip_longest(now, earlier, fillvalue=0.0)]
        self._previous = heard

    def _is_replaced(self, heard: Sequence[str], probabilities: Sequence[float], at: int) -> bool:
        """Whether another word than the one shown at a place has come often enough, and surely enough."""
        if at == len(heard):
            return False
        if self._rival != (at, heard[at]):
            self._rival, self._rivals, self._rival_evidence = (at, heard[at]), 0, 0.0
        self._rivals += 1
        self._rival_evidence += probabilities[at] ** 3
        return self._rival_evidence >= REPLACED or self._rivals >= REPLACED_AFTER

    def _count_sure(self, known: int) -> int:
        """How many words from the start are shown already, or sure enough."""
        last = len(self._evidence) - 1
        for at in range(known, len(self._evidence)):
            needed = LAST_SHOWN if at == last > 0 else SHOWN  # The first text is to come early.
            if self._evidence[at] < needed:
                return at
        return len(self._evidence)
