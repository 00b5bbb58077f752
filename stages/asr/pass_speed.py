"""Says how long a forward pass may take, by how long the passes before it took."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dalston_realtime.protocol.audio import SAMPLE_RATE

RECENT: Final = 64  # Passes that count: some seconds of a busy process, so that a slower machine is noticed.


@dataclass(frozen=True, slots=True)
class PassLimits:
    """Bounds of the time that a forward pass may take.

    - factor: times as long as the slowest of the last passes took for as much work. A busy machine is
      no hang, and the time for which the pass waits for a CPU does not count.
    - floor: seconds. Sessions that hang have to move within two, and their audio is transcribed again then.
    - first: seconds for a batch of more jobs than all before: a GPU compiles for it.
    - longest: seconds. Behind it the process counts as hung anyway.
    """

    factor: float = 5.0
    floor: float = 1.0
    first: float = 2.5
    longest: float = 10.0


@dataclass(frozen=True, slots=True)
class PassSize:
    """The work of a pass: its jobs, and the seconds of audio in all of them."""

    jobs: int
    audio: float

    @classmethod
    def of(cls, jobs: Sequence[Any]) -> "PassSize":
        """That of jobs or chunks."""
        return cls(len(jobs), sum(len(job.audio) for job in jobs) / SAMPLE_RATE)

    @property
    def work(self) -> float:
        """Seconds of audio, and one for each job, which costs something however short it is."""
        return self.audio + self.jobs


class PassSpeed:
    """The slowness of the last passes of one engine."""

    def __init__(self, limits: PassLimits | None = None) -> None:
        self._limits = limits or PassLimits()
        self._slowness: deque[float] = deque(maxlen=RECENT)  # seconds for a unit of work
        self._most_jobs = 0

    def bound(self, size: PassSize) -> float:
        """Seconds after which a pass hangs."""
        limits = self._limits
        floor = limits.floor if size.jobs <= self._most_jobs else limits.first
        expected = max(self._slowness, default=limits.longest) * size.work
        return min(limits.longest, max(floor, limits.factor * expected))

    def record(self, size: PassSize, seconds: float) -> None:
        """A pass took so long."""
        self._most_jobs = max(self._most_jobs, size.jobs)
        self._slowness.append(seconds / size.work)
