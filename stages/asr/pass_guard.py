"""Notices a forward pass that does not end, from a thread of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.1  # Seconds between two looks, so much later than its bound a hung pass is noticed at most.
SCHEDSTAT: Final = Path("/proc/self/schedstat")  # Of the main thread: ns on a CPU, ns of waiting for one.


@dataclass(slots=True)
class RunningPass:
    """A forward pass in progress: its age, without its process's waiting, and its bound, in seconds."""

    bound: float
    seen: float  # when its age was last brought up to date, on the guard's clock
    waited: float  # the process's waiting for a CPU up to then
    age: float = 0.0


def cpu_wait_s() -> float:
    """Seconds for which the main thread has waited for a CPU; 0 where the kernel counts none."""
    try:
        return int(SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class PassGuard:
    """Knows the pass in progress; `on_hung` is called once for one that is older than its bound.

    The time for which the process did not run does not count: a machine that is busy or was suspended is no
    hang.
    """

    def __init__(
        self,
        on_hung: Callable[[RunningPass], None] = lambda _running: None,
        clock: Callable[[], float] = time.monotonic,
        cpu_wait: Callable[[], float] = cpu_wait_s,
    ) -> None:
        self._on_hung, self._clock, self._cpu_wait = on_hung, clock, cpu_wait
        self._running: RunningPass | None = None

    @property
    def age(self) -> float:
        """Seconds of the pass in progress, as of the last look; 0 without one."""
        running = self._running
        return running.age if running else 0.0

    @contextmanager
    def watch(self, bound: float) -> Iterator[RunningPass]:
        """A pass is in progress for the duration of a block; its age is exact behind the block."""
        running = self._running = RunningPass(bound, self._clock(), self._cpu_wait())
        try:
            yield running
        finally:
            self._running = None
            self._update(running, most=running.bound)

    def start(self) -> None:
        """Look from now on, in another thread."""
        threading.Thread(target=self._run, name="pass guard", daemon=True).start()

    def look(self) -> None:
        """Bring the age up to date; to be called every `LOOK_S` seconds."""
        running = self._running
        if running is None:
            return
        self._update(running, most=2 * LOOK_S)
        if running.age > running.bound and running is self._running:
            running.bound = float("inf")
            self._on_hung(running)

    def _update(self, running: RunningPass, most: float) -> None:
        now, waited = self._clock(), self._cpu_wait()
        spent = min(now - running.seen, most) - (waited - running.waited)
        running.seen, running.waited, running.age = now, waited, running.age + max(0.0, spent)

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.look()
