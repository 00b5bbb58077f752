"""Answers at once with made-up words: with this engine, everything else can be measured."""

from collections.abc import Sequence
from typing import Final

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Job, Transcript

WORDS_PER_SECOND: Final = 2.5  # Words in a second of speech, so that texts are as long as real ones.


class Instant:
    """Transcribes every 0.4 s of audio as one word, whatever is said; clients see it as `instant-NAME`."""

    longest_context = 0
    rest = 0

    def __init__(self, name: str = "any") -> None:
        self._name = f"instant-{name}"

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        return ModelInfo("fast", self._name, "instant", ("en",), Features(interim_results=True).flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """As many words as would fit the audio of each job, at least one."""
        return [Transcript(" ".join(_words(len(job.audio)))) for job in jobs]


def _words(samples: int) -> list[str]:
    return [f"word{i}" for i in range(1, max(1, int(samples / SAMPLE_RATE * WORDS_PER_SECOND)) + 1)]
