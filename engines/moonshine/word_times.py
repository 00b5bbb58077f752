"""Finds when the words of a text are said, by which of the encoder's states the decoder listens to.

The tokens and the states are aligned in one order with the most attention in sum, as is usual for such models
(Whisper's timing.py does it by dynamic time warping, https://github.com/openai/whisper). Of some 420 words
that espeak-ng spoke with four voices, the starts differ from its own by 38 ms on the average with tiny, by 40
with base, and by 65 and 85 ms at the most for nine words of ten (measured).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats

STATE: Final = 384  # Samples for which one of the encoder's states stands: its strides are 64, 3 and 2.
BLOCK: Final = SAMPLE_RATE // 50  # Samples (20 ms) whose loudness is compared.
QUIET: Final = 0.05  # Share of the greatest loudness of a word (-26 dB), below which its edges are silence.


def first_states(attention: Floats) -> list[int]:
    """The first state [L] of each token, where they follow one another and each has at least one.

    `attention` [L, S] has a row for each token, what is listened to as it is written. Where there are fewer
    states than tokens, the last tokens get the last state.
    """
    tokens, states = attention.shape
    if states < tokens:
        return [min(token, states - 1) for token in range(tokens)]
    best = np.full(tokens, -np.inf)
    best[0] = attention[0, 0]
    moved = np.zeros((states, tokens), bool)
    for state in range(1, states):
        before = np.concatenate([[-np.inf], best[:-1]])
        moved[state] = before > best
        best = np.maximum(before, best) + attention[:, state]
    return _traced(moved)


def _traced(moved: npt.NDArray[np.bool_]) -> list[int]:
    states, tokens = moved.shape
    first, token = [0] * tokens, tokens - 1
    for state in range(states - 1, 0, -1):
        if moved[state, token]:
            first[token] = state
            token -= 1
    return first


def word_times(audio: Floats, firsts: Sequence[int], end: int) -> list[tuple[float, float]]:
    """Start and end of each word in seconds of the audio.

    `firsts` are the first samples of the words, `end` that behind the last one. What is silent at the edges
    of a word is no part of it.
    """
    bounds = [min(at, len(audio)) for at in (*firsts, end)]
    spans = (_loud(audio, a, b) for a, b in pairwise(bounds))
    return [(first / SAMPLE_RATE, last / SAMPLE_RATE) for first, last in spans]


def _loud(audio: Floats, first: int, last: int) -> tuple[int, int]:
    """The samples from the first loud block between two samples to the last one."""
    starts = np.arange(first, last, BLOCK)
    if len(starts) == 0:
        return first, last
    loudness = np.maximum.reduceat(np.abs(audio[first:last]), starts - first)
    loud = np.flatnonzero(loudness >= QUIET * loudness.max())
    return int(starts[loud[0]]), min(last, int(starts[loud[-1]]) + BLOCK)
