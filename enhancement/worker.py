"""Takes jobs from Celery, as many at a time as the settings say, in a thread of this process.

Celery's own command would set up signals, the log and a banner; its `WorkController` does none of that
(checked: celery 5.5 to 5.7; tests/wire/test_enhancer.py fails where another version does).
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from celery import Celery
from celery.worker import WorkController, state

from enhancement.celery_app import TASK

JOIN_S: Final = 1.0  # Seconds for Celery to give back what it has taken and not begun.
QUIET: Final = {
    "celery": logging.WARNING,
    "kombu": logging.WARNING,
    "celery.app.trace": logging.CRITICAL,
    "celery.worker.consumer": logging.CRITICAL,
    "celery.worker.request": logging.CRITICAL + 1,
}
"""Levels of Celery's loggers: what becomes of jobs, and of the broker, is said by our own lines.

The last one would say at the end of the process that it could not tell a broker that is gone of a message
that was taken. Nothing depends on that: whoever gets the message again finds that the job is over.
"""


class CeleryWorker:
    """Calls `run` with the id of each job, in up to `jobs` threads."""

    def __init__(self, app: Celery, jobs: int, run: Callable[[str], None]) -> None:
        for name, level in QUIET.items():
            logging.getLogger(name).setLevel(level)
        app.task(run, name=TASK, bind=False)
        options: dict[str, Any] = {
            "pool_cls": "threads",
            "concurrency": jobs,
            "without_mingle": True,
            "without_gossip": True,
            "without_heartbeat": True,
        }
        self._controller = WorkController(app=app, **options)
        self._thread = threading.Thread(target=self._controller.start, name="celery", daemon=True)

    def start(self) -> None:
        """Begin; the broker may come later, or go and come again."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it takes jobs, or tries to."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Take nothing more; what runs must have ended before."""
        state.should_stop = 0
        self._thread.join(JOIN_S)
