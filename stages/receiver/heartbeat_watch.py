"""Notices which stage processes send no heartbeats any more."""

import time
from collections.abc import Callable, Iterable
from typing import Final

SILENT_S: Final = 1.0  # Seconds without a heartbeat, which come four times a second, until a process is gone.
LOOK_S: Final = 0.25  # Seconds between two looks, so much later than that a process is missed at most.


class HeartbeatWatch:
    """Adds up how long each named process has been silent; each is missing until its first heartbeat.

    Between two looks no more counts than twice their distance: while this process did not run, because the
    machine was suspended or busy, it could hear nobody.
    """

    def __init__(self, names: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._names, self._clock = tuple(names), clock
        self._silent: dict[str, float] = {}  # Seconds, as of the last look.
        self._looked_at = clock()

    def on_heartbeat(self, name: str) -> None:
        """A process is there."""
        self._silent[name] = 0.0

    def on_death(self, name: str) -> None:
        """A process is gone until its next heartbeat."""
        self._silent.pop(name, None)

    def look(self) -> None:
        """Count the silence since the last look; what waits to be read has to be read before."""
        now = self._clock()
        passed = min(now - self._looked_at, 2 * LOOK_S)
        self._looked_at = now
        for name in self._silent:
            self._silent[name] += passed

    def missing(self) -> list[str]:
        """The processes that have been silent for too long."""
        return [name for name in self._names if self._silent.get(name, SILENT_S) >= SILENT_S]
