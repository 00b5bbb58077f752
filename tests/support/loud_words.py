"""Stands in for an engine: each half second of loud sound is a word."""

from collections.abc import Sequence

import numpy as np

from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Floats, Job, Transcript
from tests.support.builders import SECOND

LOUD = 0.3  # Of full scale; what is louder is speech.


class LoudWords:
    """An engine that recognizes one word for each half second of loud sound, and counts its passes."""

    longest_context = rest = 0
    info = ModelInfo("fast", "loud", "loud", ("en",), Features(interim_results=True).flags())

    def __init__(self, word: str = "word") -> None:
        self.word, self.passes = word, 0

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """Transcribe a batch."""
        self.passes += 1
        return [self._transcript(job.audio) for job in jobs]

    def _transcript(self, audio: Floats) -> Transcript:
        count = round(2 * float((np.abs(audio) > LOUD).sum()) / SECOND)
        return Transcript(" ".join([self.word] * count), language="en")
