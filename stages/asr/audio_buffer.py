"""Holds the samples of one utterance, from the first that came of it."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats

GROWTH: Final = SAMPLE_RATE * 4  # Samples by which a buffer grows, so that it is copied every 4 s only.


@dataclass(slots=True)
class AudioBuffer:
    """Float32 samples from index `start` on, which the first audio says; -1 before."""

    start: int = -1
    length: int = 0
    _samples: Floats = field(default_factory=lambda: np.empty(GROWTH, np.float32))

    @property
    def end(self) -> int:
        """The sample after the last one that is here."""
        return self.start + self.length

    def extend(self, at: int, audio: Floats) -> None:
        """Take samples that begin at index `at`; what is here already is not taken twice."""
        if self.start < 0:
            self.start = at
        audio = audio[max(0, self.end - at) :]
        if self.length + len(audio) > len(self._samples):
            grown = np.empty(self.length + len(audio) + GROWTH, np.float32)
            grown[: self.length] = self._samples[: self.length]
            self._samples = grown
        self._samples[self.length : self.length + len(audio)] = audio
        self.length += len(audio)

    def between(self, start: int, end: int) -> Floats:
        """The samples from index `start` up to index `end`, as far as they are here."""
        first = max(0, start - self.start)
        return self._samples[first : max(first, min(end - self.start, self.length))]
