"""Cuts a recording at its pauses into pieces for an engine, with the detector of live sessions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from engines.silero import WINDOW, SileroVad, VadState

SPEECH: Final = 0.5  # Probability from which a window is speech; as in live sessions.
SILENCE: Final = 0.35  # Probability below which it is silence; between the two nothing changes.
LEAST_SPEECH: Final = 3  # Windows (96 ms): shorter sounds are no speech.
PAD: Final = SAMPLE_RATE // 5  # Samples (200 ms) before and behind speech: its soft ends.


@dataclass(frozen=True, slots=True)
class PieceRules:
    """When speech is cut into pieces; times in samples.

    - pause: the shortest silence between two pieces.
    - longest: no piece is longer; it is cut at its longest silence, or where there is none in its middle.
    - joined: pieces are joined up to this length: models have fewer errors where they hear more at once.
    """

    pause: int = SAMPLE_RATE // 2
    longest: int = 15 * SAMPLE_RATE
    joined: int = 10 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """Samples `first` to before `last` of a channel, and the stretches of it in which somebody speaks."""

    channel: int
    first: int
    last: int
    speech: tuple[tuple[int, int], ...] = ()


class SpeechFinder:
    """Finds the stretches of speech of one channel, block by block."""

    def __init__(self, vad: SileroVad) -> None:
        self._vad, self._state = vad, VadState()
        self._rest: Floats = np.zeros(0, np.float32)
        self._at = 0  # Windows that were judged.
        self._begin: int | None = None
        self.stretches: list[tuple[int, int]] = []  # Windows: the first, and the one behind the last.

    def append(self, samples: Floats) -> None:
        """Judge samples [n], -1..1."""
        joined = np.concatenate((self._rest, samples))
        whole = len(joined) // WINDOW * WINDOW
        self._rest = joined[whole:].copy()
        if whole:
            (probabilities,) = self._vad([joined[:whole]], [self._state])
            for probability in probabilities:
                self._judge(float(probability))

    def finish(self) -> list[tuple[int, int]]:
        """The stretches in samples, once all is appended."""
        if len(self._rest):
            self.append(np.zeros(WINDOW - len(self._rest), np.float32))
        self._end()
        return [(first * WINDOW, last * WINDOW) for first, last in self.stretches]

    def _judge(self, probability: float) -> None:
        if self._begin is None and probability >= SPEECH:
            self._begin = self._at
        elif self._begin is not None and probability < SILENCE:
            self._end()
        self._at += 1

    def _end(self) -> None:
        if self._begin is not None and self._at - self._begin >= LEAST_SPEECH:
            self.stretches.append((self._begin, self._at))
        self._begin = None


def cut_pieces(
    stretches: Sequence[tuple[int, int]], samples: int, rules: PieceRules, channel: int = 0
) -> list[SpeechPiece]:
    """The pieces of a channel with so many samples, from its stretches of speech in order."""
    groups = list(_split_at_pauses(stretches, rules.pause))
    groups = [part for group in groups for part in _split_long(group, rules.longest)]
    groups = list(_join(groups, rules.joined))
    bounds = [(max(0, group[0][0] - PAD), min(samples, group[-1][1] + PAD)) for group in groups]
    return [
        SpeechPiece(channel, first, last, tuple(group))
        for (first, last), group in zip(_without_overlap(bounds), groups, strict=True)
    ]


def _split_at_pauses(stretches: Iterable[tuple[int, int]], pause: int) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for stretch in stretches:
        if group and stretch[0] - group[-1][1] >= pause:
            yield group
            group = []
        group.append(stretch)
    if group:
        yield group


def _split_long(group: list[tuple[int, int]], longest: int) -> list[list[tuple[int, int]]]:
    """A group in parts of at most `longest`, cut at the longest silences."""
    if group[-1][1] - group[0][0] <= longest:
        return [group]
    if len(group) == 1:
        first, last = group[0]
        middle = (first + last) // 2
        return [*_split_long([(first, middle)], longest), *_split_long([(middle, last)], longest)]
    silences = [after[0] - before[1] for before, after in pairwise(group)]
    at = silences.index(max(silences)) + 1
    return [*_split_long(group[:at], longest), *_split_long(group[at:], longest)]


def _join(groups: Iterable[list[tuple[int, int]]], most: int) -> Iterator[list[tuple[int, int]]]:
    joined: list[tuple[int, int]] = []
    for group in groups:
        if joined and group[-1][1] - joined[0][0] > most:
            yield joined
            joined = []
        joined = [*joined, *group]
    if joined:
        yield joined


def _without_overlap(bounds: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Neighbours that share their padding meet in its middle."""
    found = [[first, last] for first, last in bounds]
    for before, after in pairwise(found):
        if before[1] > after[0]:
            before[1] = after[0] = (before[1] + after[0]) // 2
    return found
