"""Defines the interface of an engine to the ASR stage: what it can do, and one batched step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.models import ModelInfo

Floats: TypeAlias = npt.NDArray[np.float32]


class OutOfMemory(Exception):
    """The device has too little memory for a batch; a smaller one may fit."""


class DeviceLost(Exception):
    """The device fails with every input; only a new process can use it again."""


class StreamsLost(Exception):
    """A step failed half-way: the streams in it are not open any more, whichever of them was the cause."""


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
        """The features by name, as clients and the registry get them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Job:
    """One utterance, or the beginning of one, to be transcribed.

    `audio` is mono float32 at 16 kHz, -1..1. `draft` are the `Transcript.tokens` of the last step on this
    utterance: an engine may use them to be faster, but the text must not depend on them. `prefix` are the
    tokens of what is said in the first `context` samples, before the utterance: the transcript is of what
    follows them, and the times of words count from there. An engine whose `longest_context` is 0 never gets
    any.
    """

    audio: Floats
    draft: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    context: int = 0
    language: str | None = None  # The client's choice; None lets the engine identify it.
    vocabulary: tuple[str, ...] = ()
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next audio of one stream, which is one utterance.

    `audio` has as many samples as the engine's `chunk_samples`, or fewer in the `last` one. `language`,
    `vocabulary` and `word_timestamps` are those of a `Job`, and do not change in a stream.
    """

    stream: int
    audio: Floats
    first: bool
    last: bool
    language: str | None = None
    vocabulary: tuple[str, ...] = ()
    word_timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Transcript:
    """The result for one job. `cut_off` says that decoding stopped at its limit: the text may lack its end.

    `finished` is the probability (0 to 1) that a sentence ends with the text, where an engine can compute it.
    `word_probabilities` are those of the words of the text, each 0 to 1, where an engine knows them for all;
    of those in the draft the ones far from its end may count as sure.
    """

    text: str
    tokens: tuple[int, ...] = ()
    cut_off: bool = False
    language: str | None = None
    confidence: float | None = None
    words: tuple[tuple[str, float, float, float | None], ...] = ()  # Each: word, start s, end s, confidence.
    finished: float | None = None
    word_probabilities: tuple[float, ...] = ()


class UtteranceEngine(Protocol):
    """A model that transcribes whole utterances, or their beginnings, of several sessions in one step."""

    @property
    def info(self) -> ModelInfo:
        """What it is and can do; `streaming` is false."""
        ...

    @property
    def longest_context(self) -> int:
        """The most samples, of earlier audio and the utterance together, with which the transcript is better.

        0: earlier audio does not make transcripts better.
        """
        ...

    @property
    def rest(self) -> int:
        """The samples of silence behind an utterance with which the model ends its text by itself."""
        ...

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """One forward pass over all jobs; the result of a job does not depend on the others.

        What holds exactly is that nothing of one job goes into another. A batch adds the same numbers in
        another order, so last bits differ, and of two tokens that are as likely another one may be taken:
        with Moonshine in none of 80 jobs in batches of four, and behind a draft in one of 39 (measured).

        Raises:
            OutOfMemory: the batch does not fit the device.
            DeviceLost: the device fails with every input.
        """
        ...


class StreamingEngine(Protocol):
    """A model that transcribes audio as it arrives, several streams in one step."""

    @property
    def info(self) -> ModelInfo:
        """What it is and can do; `streaming` is true."""
        ...

    @property
    def chunk_samples(self) -> int:
        """The number of samples of a stream in one step."""
        ...

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        """One step of at most one chunk of each stream; the text of each stream from its beginning on.

        The result of a stream does not depend on the others. Its `last` chunk gives all that is known
        (words, confidence) and frees the stream.

        Raises:
            OutOfMemory: the batch does not fit the device; no stream has changed.
            StreamsLost: the step failed half-way; its streams are not open any more.
            DeviceLost: the device fails with every input.
            Exception: what else is wrong with one of the chunks; no stream has changed.
        """
        ...

    def drop(self, stream: int) -> None:
        """Free a stream that will not be finished; does nothing if it is not open."""
        ...


Engine: TypeAlias = UtteranceEngine | StreamingEngine
