"""Runs batches on one engine: finds the job that fails, and sends smaller batches to a full device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import (
    Chunk,
    DeviceLost,
    Engine,
    Job,
    OutOfMemory,
    StreamingEngine,
    StreamsLost,
    Transcript,
    UtteranceEngine,
)
from runtime.logs import get_logger
from stages.asr.halves import decode_in_halves
from stages.asr.pass_guard import PassGuard
from stages.asr.pass_speed import PassSize, PassSpeed

log = get_logger(__name__)

GROW_AFTER: Final = 32
"""Batches in a row as large as the device has held, after which one session more is tried. A batch that does
not fit costs two smaller ones, so one in so many costs little."""


NO_STREAM: Final = 0  # The number of a stream that no session has; theirs count from 1.


@dataclass(frozen=True, slots=True)
class Failure:
    """The engine can't do a job, for a reason that the client may read."""

    why: str


@dataclass(frozen=True, slots=True)
class LostStream:
    """The stream of a job was lost in a step that failed half-way, perhaps by the fault of another."""

    why: str


Result: TypeAlias = Transcript | Failure | LostStream


class Inference:
    """An engine, and how many sessions go into one of its steps: fewer while its device has no more room."""

    def __init__(self, engine: Engine, most: int, guard: PassGuard | None = None) -> None:
        self.engine, self._guard, self._speed = engine, guard or PassGuard(), PassSpeed()
        self._known_good: Any = _silence(engine)  # What the engine does unless its device is broken.
        self.max_batch = self._most = most
        self._fitted = 0  # batches of `max_batch` sessions in a row that the device has held

    def check_device(self) -> None:
        """Have the engine do once more what it could do before.

        Raises:
            DeviceLost: it fails on this too, so it fails on everything.
        """
        try:
            self._transcribe([self._known_good])
        except Exception as error:
            raise DeviceLost(f"the engine fails on everything: {type(error).__name__}: {error}") from error

    def run_last_batch(self, jobs: Sequence[Job]) -> list[Result]:
        """The results of jobs that are the last of their utterances: what has no end is decoded in halves.

        Raises:
            DeviceLost: no session of this process can go on, and another worker can have them.
        """
        rest = cast(UtteranceEngine, self.engine).rest
        return [
            decode_in_halves(job, result, rest, self.run_batch) if isinstance(result, Transcript) else result
            for job, result in zip(jobs, self.run_batch(jobs), strict=True)
        ]

    def run_batch(self, jobs: Sequence[Any]) -> list[Result]:
        """The results of the jobs, in order.

        A batch that does not fit is halved, and larger ones are tried again later. One that raises is
        repeated job by job, so that only those sessions fail whose own audio makes it raise. Where the engine
        has lost the streams of all, the caller can only feed them again. Where a job fails alone, the engine
        must be able to do once more what it could do before, or its device is broken.

        Raises:
            DeviceLost: no session of this process can go on, and another worker can have them.
        """
        try:
            results = list[Result](self._transcribe(jobs))
        except OutOfMemory as error:
            if len(jobs) == 1:
                self.check_device()
                log.error("one session alone does not fit the device", error=str(error))
                return [Failure("the device has too little memory for this utterance")]
            half = (len(jobs) + 1) // 2
            self._shrink(len(jobs), half)
            return [*self.run_batch(jobs[:half]), *self.run_batch(jobs[half:])]
        except DeviceLost:
            raise
        except Exception as error:
            if len(jobs) == 1:
                self.check_device()
            why = f"the engine failed on this utterance: {type(error).__name__}"
            if isinstance(error, StreamsLost):
                log.warning("a step failed half-way", sessions=len(jobs), why=str(error))
                return [LostStream(why)] * len(jobs)
            if len(jobs) == 1:
                log.exception("the engine failed on one session's audio")
                return [Failure(why)]
            return [result for job in jobs for result in self.run_batch([job])]
        self._grow(len(jobs))
        if isinstance(jobs[0], Job):
            self._known_good = jobs[0]
        return results

    def _transcribe(self, jobs: Sequence[Any]) -> list[Transcript]:
        size = PassSize.of(jobs)
        with self._guard.watch(self._speed.bound(size)) as running:
            results = list(self.engine.transcribe(jobs))
        self._speed.record(size, running.age)
        return results

    def _shrink(self, tried: int, half: int) -> None:
        self._fitted = 0
        if half < self.max_batch:
            log.warning("out of memory: fewer sessions in a step", sessions=tried, from_here_on=half)
            self.max_batch = half

    def _grow(self, held: int) -> None:
        """Try one session more where the device has long held as many as it may get."""
        if held < self.max_batch or self.max_batch == self._most:
            return
        self._fitted += 1
        if self._fitted >= GROW_AFTER:
            self._fitted = 0
            self.max_batch += 1
            log.info("one more session in a step is tried", sessions=self.max_batch)


def _silence(engine: Engine) -> Job | Chunk:
    """Work on which no engine fails by itself: a second of silence, or one step of it."""
    if engine.info.features["streaming"]:
        samples = cast(StreamingEngine, engine).chunk_samples
        return Chunk(NO_STREAM, np.zeros(samples, np.float32), first=True, last=True)
    return Job(np.zeros(SAMPLE_RATE, np.float32))
