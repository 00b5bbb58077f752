"""Tells the receiver of webhooks what has ended, in a thread: a slow receiver holds up no job."""

import threading
from collections.abc import Callable
from typing import Final

from runtime.logs import get_logger
from storage.database import DatabaseUnavailable

log = get_logger(__name__)

LOOK_S: Final = 1.0  # Seconds between two looks for what has ended.


class WebhookSender:
    """Looks every second; any number of enhancers may have one: twice told is what a receiver must bear."""

    def __init__(self, collect: Callable[[], object], deliver: Callable[[], object]) -> None:
        """`collect` finds what has ended, and `deliver` tells what is not told yet."""
        self._collect, self._deliver = collect, deliver
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what is being told now may be told again after the next start."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._collect()
                self._deliver()
            except DatabaseUnavailable as error:
                log.debug("webhooks wait for the database: %s", error)
            except Exception:
                log.exception("webhooks go on after a fault of ours")
