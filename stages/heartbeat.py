"""Says four times a second that a stage process is up, from a thread of its own, also while it works."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import zmq

from stages.channels import Outlet, only
from stages.messages import Alive


@dataclass(frozen=True, slots=True)
class HeartbeatTimes:
    """Seconds between two heartbeats, and of work without a look at the messages until a process hangs.

    A forward pass of a large model on a CPU takes seconds. After the second of the two, every session in
    real time has ended by its lag.
    """

    interval: float = 0.25
    hung: float = 10.0


class Heartbeat:
    """Sends heartbeats to the receiver at `where` until the process ends or hangs.

    `make_alive` makes the message, in another thread; what it raises is raised again by `on_turn`.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        where: str,
        make_alive: Callable[[], Alive],
        clock: Callable[[], float] = time.monotonic,
        times: HeartbeatTimes | None = None,
    ) -> None:
        self._context, self._where, self._make_alive, self._clock = context, where, make_alive, clock
        self._times = times or HeartbeatTimes()
        self._last_turn = clock()
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Send heartbeats from now on."""
        self._thread.start()

    def on_turn(self) -> None:
        """The process does not hang; to be called at every turn of its loop."""
        if self._error is not None:
            raise self._error
        self._last_turn = self._clock()

    def stop(self) -> None:
        """Send no more; the context may be closed after this."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        outlet = Outlet(self._context, [self._where], only)
        try:
            while not self._over.is_set():
                if self._clock() - self._last_turn < self._times.hung:
                    with suppress(zmq.Again):  # the receiver takes none yet
                        outlet.send(self._make_alive(), flags=zmq.NOBLOCK)
                self._over.wait(self._times.interval)
        except Exception as error:  # noqa: BLE001 - it ends the process, by the main thread
            self._error = error
        finally:
            outlet.close()
