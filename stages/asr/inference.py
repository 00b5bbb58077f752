"""Runs batches on one engine: finds the job that fails, and sends smaller batches to a full device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engines.base import DeviceLost, Engine, OutOfMemory, Transcript
from runtime.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """The engine can't do a job, for a reason that the client may read."""

    why: str


class Inference:
    """An engine and how many sessions fit into one of its steps, which only ever shrinks."""

    def __init__(self, engine: Engine, max_batch: int) -> None:
        self.engine = engine
        self.max_batch = max_batch
        self.shrunk = False  # the device has shown that it holds no more than `max_batch`

    def run_batch(self, jobs: Sequence[Any]) -> list[Transcript | Failure]:
        """The results of the jobs, in order.

        A batch that does not fit is halved, and no larger one is tried again. One that raises is
        repeated job by job, so that only those sessions fail whose own audio makes it raise.

        Raises:
            DeviceLost: no session of this process can go on, and another worker can have them.
        """
        try:
            return list(self.engine.transcribe(jobs))
        except OutOfMemory as error:
            if len(jobs) == 1:
                log.error("one session alone does not fit the device", error=str(error))
                return [Failure("the device has too little memory for this utterance")]
            half = (len(jobs) + 1) // 2
            if half < self.max_batch:
                log.warning("out of memory: fewer sessions in a step", sessions=len(jobs), from_here_on=half)
                self.max_batch, self.shrunk = half, True
            return [*self.run_batch(jobs[:half]), *self.run_batch(jobs[half:])]
        except DeviceLost:
            raise
        except Exception as error:
            if len(jobs) == 1:
                log.exception("the engine failed on one session's audio")
                return [Failure(f"the engine failed on this utterance: {type(error).__name__}")]
            return [result for job in jobs for result in self.run_batch([job])]
