"""The sign of life of a stage process, once a second, also while it is at work: from a thread of its own."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import zmq

from stages.channels import Outlet, only
from stages.messages import Alive

BEAT_S: Final = 1.0
# Of work without a look at the messages: a forward pass of a large model on a CPU takes seconds. After
# this every session in real time has ended by its lag.
HUNG_S: Final = 10.0


class Heartbeat:
    """Says to the receiver at `where` that the process is up, until it is over or hangs.

    `alive` makes the message, in another thread; what it raises comes out of `turn`.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        where: str,
        alive: Callable[[], Alive],
        clock: Callable[[], float] = time.monotonic,
        every_s: float = BEAT_S,
    ) -> None:
        self._every_s = every_s
        self._context, self._where, self._alive, self._clock = context, where, alive, clock
        self._turned = clock()
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="beats", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def turn(self) -> None:
        """The process does not hang; to be called at every turn of its loop."""
        if self._error is not None:
            raise self._error
        self._turned = self._clock()

    def end(self) -> None:
        """Beat no more; the context may be closed behind it."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        outlet = Outlet(self._context, [self._where], only)
        try:
            while not self._over.is_set():
                if self._clock() - self._turned < HUNG_S:
                    with suppress(zmq.Again):  # the receiver takes none yet
                        outlet.send(self._alive(), flags=zmq.NOBLOCK)
                self._over.wait(self._every_s)
        except Exception as error:  # noqa: BLE001 - it ends the process, by the main thread
            self._error = error
        finally:
            outlet.close()
