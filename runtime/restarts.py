"""Decides whether and when a process that ended by itself is started again."""

from collections import defaultdict, deque
from dataclasses import dataclass

from runtime.process import REFUSED


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How often and how soon a process is started again.

    - most: times that one process may end within `window` seconds; with one more, all are ended. A process
      that fails each time after loading a model for 15 s ends that often within the window.
    - delay: seconds until the first restart, twice as many for each further one.
    - longest_delay: seconds, the longest of these waits.
    """

    most: int = 5
    window: float = 120.0
    delay: float = 0.2
    longest_delay: float = 5.0


class Restarts:
    """Counts how often each process has ended; times are seconds."""

    def __init__(self, limits: RestartLimits | None = None) -> None:
        self._limits = limits or RestartLimits()
        self._ends: defaultdict[str, deque[float]] = defaultdict(deque)
        self._started_again: set[str] = set()

    def delay(self, name: str, code: int, now: float) -> float | None:
        """Seconds until the process that ended with this code is to be started again; None: it is not.

        A process whose very first start fails with a complaint about its settings, such as a port that is
        taken, would complain again.
        """
        limits, ends = self._limits, self._ends[name]
        ends.append(now)
        while ends[0] < now - limits.window:
            ends.popleft()
        is_first = name not in self._started_again
        if len(ends) > limits.most or (is_first and code == REFUSED):
            return None
        self._started_again.add(name)
        return min(limits.longest_delay, float(limits.delay * 2 ** (len(ends) - 1)))

    def count(self, name: str) -> int:
        """How often the process has ended within the window."""
        return len(self._ends[name])
