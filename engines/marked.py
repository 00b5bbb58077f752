"""Reads marks that a test has put into speech: so each word is known, and when it was said.

A mark is 12 samples that no sound has by chance: ten fixed ones, and two that hold a number. An utterance
says the numbers of the marks that are whole in its audio. The VAD hears the speech between them.
"""

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Floats, Job, Transcript

PCM: TypeAlias = npt.NDArray[np.int16]

KEY: Final = np.array([101, -103, 107, -109, 113, -127, 131, -137, 139, -149], np.int16)
BASE: Final = (
    200  # Values of each of the two samples that hold the number; so the mark is as quiet as its key.
)
MARK: Final = len(KEY) + 2  # Samples.
SPOKEN: Final = re.compile(r"\b\d{5}\b")
"""A mark in a text: numbers of one length are never taken for each other, as words that look alike may be."""


class Marked:
    """Says `00007` where the mark of the number 7 is, and nothing else; clients see it as `marked-NAME`."""

    longest_context = 0
    rest = 0

    def __init__(self, name: str = "any") -> None:
        self._name = f"marked-{name}"

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        return ModelInfo("fast", self._name, "marked", ("en",), Features(interim_results=True).flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """The marks in the audio of each job."""
        return [Transcript(" ".join(f"{n:05}" for n in read_marks(job.audio))) for job in jobs]


def make_mark(number: int) -> PCM:
    """The samples of a mark; `number` is below the square of `BASE`."""
    high, low = divmod(number, BASE)
    return np.concatenate([KEY, np.array([high - BASE // 2, low - BASE // 2], np.int16)])


def read_marks(audio: Floats) -> list[int]:
    """The numbers of the marks that are whole in the audio, in order."""
    pcm = np.round(audio * 32768).astype(np.int32)
    starts = np.flatnonzero(pcm[: max(0, len(pcm) - MARK + 1)] == KEY[0])
    for at in range(1, len(KEY)):
        starts = starts[pcm[starts + at] == KEY[at]]
    digits = [pcm[starts + len(KEY) + at] + BASE // 2 for at in (0, 1)]
    return [int(number) for number in digits[0] * BASE + digits[1]]


def spoken_marks(text: str) -> list[int]:
    """The numbers in a transcript, in order."""
    return [int(number) for number in SPOKEN.findall(text)]
