"""Decodes a batch greedily: verifies the drafts of all in one pass, then goes on token by token."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engines.base import Floats
from engines.moonshine.forward_pass import DecoderState
from engines.moonshine.tokens import END

COMPUTED: Final = 16
"""Tokens of a draft whose probabilities are computed: those of the last ten words or so, of which one may
still change. Each takes about 0.05 ms."""

LOOP: Final = 20
"""Tokens at the end that repeat those before them, from which decoding stops. The model loses count of what
is said so often, or repeats itself: either way less audio has to be decoded at a time. Ten words have as
many, and nobody says more in 1.5 s, the shortest piece."""

LONGEST_PERIOD: Final = 8  # Tokens of what is repeated, such as "left, right, ".
TIMES: Final = 3  # Times that it is there behind the first, if it is longer than a few tokens.


@dataclass(slots=True)
class Hypothesized:
    """The tokens of one job: a draft until they are verified, then what the model has chosen.

    `logits` are those from which the last two tokens were chosen. Where one that `must_begin` would end
    before its first token, the next best token is taken; `ended` is the probability with which it would
    have, else 0. `probabilities` are those of all chosen tokens; of those that the draft had as well only the
    last `COMPUTED` are computed, and earlier ones count as sure.
    """

    tokens: list[int]
    given: int  # tokens at the start that are not the model's to choose
    limit: int
    logits: tuple[Floats, ...] = ()
    must_begin: bool = False
    ended: float = 0.0
    probabilities: list[float] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the model ended it, or it reached its limit, or repeats itself."""
        return self.tokens[-1] == END or len(self.tokens) > self.limit or is_loop(self.tokens[self.given :])

    def append(self, logits: Floats) -> None:
        """Choose the next token, the best of the logits [V]."""
        self.logits = (*self.logits[-1:], logits)
        self.tokens.append(int(logits.argmax()))
        self.probabilities.append(_probability(logits, self.tokens[-1]))

    def verify(self, logits: Floats) -> None:
        """Keep the draft up to the first token that is not the model's choice, and that choice behind it.

        The logits [L, V] are those behind each of the tokens.
        """
        best = logits.argmax(axis=-1)
        first = self.given - 1
        if self.must_begin and best[first] == END:
            self.ended = _probability(logits[first], END)
            best[first] = _next_best(logits[first])
        draft = self.tokens[: self.limit]
        agreed = self.given
        while agreed < len(draft) and draft[agreed] == best[agreed - 1]:
            agreed += 1
        self.tokens = [*draft[:agreed], int(best[agreed - 1])]
        first_computed = max(self.given, agreed - COMPUTED)
        computed = [_probability(logits[k - 1], self.tokens[k]) for k in range(first_computed, agreed + 1)]
        self.probabilities = [1.0] * (first_computed - self.given) + computed
        # Copies, so that the logits of the whole pass do not stay in memory.
        self.logits = tuple(logits[k].copy() for k in range(max(0, agreed - 2), agreed))


def is_loop(tokens: Sequence[int]) -> bool:
    """Whether a text ends with the same tokens again and again."""
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(LOOP, TIMES * period)
        if len(tokens) >= length + period and tokens[-length:] == tokens[-length - period : -period]:
            return True
    return False


def decode(sequences: Sequence[Hypothesized], state: DecoderState) -> None:
    """Verify the drafts of all together, then go on token by token until all are done."""
    _verify(sequences, state)
    rows = list(sequences)
    while live := [sequence for sequence in rows if not sequence.done]:
        if len(live) <= len(rows) // 2:  # To take rows out copies all keys and values.
            state.keep([row for row, sequence in enumerate(rows) if not sequence.done])
            rows = live
        logits = state.step([sequence.tokens[-1] for sequence in rows])
        for row, sequence in enumerate(rows):
            if not sequence.done:
                sequence.append(logits[row])


def _verify(sequences: Sequence[Hypothesized], state: DecoderState) -> None:
    """One pass over all drafts; keeps the tokens that the model agrees with, and its next token."""
    known = [sequence.tokens[: sequence.limit] for sequence in sequences]
    ids = np.full((len(known), max(map(len, known))), END, np.int64)
    for row, tokens in enumerate(known):
        ids[row, : len(tokens)] = tokens
    logits = state.verify(ids)
    for row, sequence in enumerate(sequences):
        sequence.verify(logits[row])
    state.confirm([len(sequence.tokens) - 1 for sequence in sequences])


def _probability(logits: Floats, token: int) -> float:
    odds = np.exp(logits - logits.max())
    return float(odds[token] / odds.sum())


def _next_best(logits: Floats) -> int:
    """The best token that does not end the text."""
    others = logits.copy()
    others[END] = -np.inf
    return int(others.argmax())
