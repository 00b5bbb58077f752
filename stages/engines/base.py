"""What an engine is to the ASR stage: what it can do, and one batched step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from broker.records import ModelInfo

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """What a model can do; clients see it in `session.begin`."""

    streaming: bool = False
    interim_results: bool = False
    word_timestamps: bool = False
    confidence: bool = False
    vocabulary: bool = False
    requires_vad: bool = True

    def flags(self) -> dict[str, bool]:
        """The form in which clients and the registry see them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Job:
    """One utterance, or the beginning of one, to be transcribed.

    `audio` is mono float32 at 16 kHz, -1..1. `draft` is what the last step on this utterance gave as
    `Transcript.tokens`: an engine may use it to be faster, never to give another text.
    """

    audio: Floats
    draft: tuple[int, ...] = ()
    language: str | None = None  # as the client said, or None to identify it
    vocabulary: tuple[str, ...] = ()
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """What an engine heard. `cut_off` says that it ran into its limit: the text's end is not sound."""

    text: str
    tokens: tuple[int, ...] = ()
    cut_off: bool = False
    language: str | None = None
    confidence: float | None = None
    words: tuple[tuple[str, float, float, float | None], ...] = ()  # word, start s, end s, confidence


class Engine(Protocol):
    """A model that transcribes several sessions' audio in one step."""

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        ...

    @property
    def longest_context(self) -> int:
        """Samples of an utterance together with what was said before it that are heard better so.

        0: the engine gains nothing from it.
        """
        ...

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """One forward pass over all jobs; the result of a job does not depend on the others."""
        ...
