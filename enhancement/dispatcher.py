"""Hands the jobs that wait to Celery, and cleans up behind those that are over."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from runtime.logs import get_logger
from storage.database import DatabaseUnavailable
from storage.jobs.sending import JobSending
from storage.recordings.errors import RecordingError

log = get_logger(__name__)

LOOK_S: Final = 1.0  # Seconds between two looks for jobs that wait.


class QueueUnavailable(Exception):
    """The broker does not answer; the message says why."""


class Queue(Protocol):
    """Where jobs are handed to."""

    def send(self, job_id: str) -> None:
        """Put a job in; raises `QueueUnavailable`."""
        ...

    def count(self) -> int:
        """The jobs that wait in it; raises `QueueUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Chore:
    """Something else to do every `every` seconds; what it returns is not used."""

    every: float
    run: Callable[[], object]


class Dispatcher:
    """A thread that looks every second; any number of enhancers may have one."""

    def __init__(self, sending: JobSending, queue: Queue, chores: Sequence[Chore] = ()) -> None:
        self._sending, self._queue = sending, queue
        self._chores = {chore: time.monotonic() + chore.every for chore in chores}
        self._stopping = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the present look."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
                self._do_chores()
                self._note(None)
            except (DatabaseUnavailable, QueueUnavailable, RecordingError) as error:
                self._note(str(error))
            except Exception:
                log.exception("the dispatcher goes on after a fault of ours")
            self._stopping.wait(LOOK_S)

    def look(self) -> None:
        """Send what is due.

        Raises:
            DatabaseUnavailable: the database is away.
            QueueUnavailable: the broker is away; what could not be sent is due again.
        """
        waiting = self._queue.count()
        due = self._sending.claim_due(queue_is_empty=waiting == 0)
        for at, job_id in enumerate(due):
            try:
                self._queue.send(job_id)
            except QueueUnavailable:
                self._sending.unsend(due[at:])
                raise

    def _do_chores(self) -> None:
        for chore, at in self._chores.items():
            if time.monotonic() >= at:
                self._chores[chore] = time.monotonic() + chore.every
                chore.run()

    def _note(self, trouble: str | None) -> None:
        """Say once what is wrong, and once that it is over."""
        if trouble != self._trouble:
            if trouble is None:
                log.info("jobs are handed out again")
            else:
                log.warning("jobs can't be handed out now; it is tried again", why=trouble)
            self._trouble = trouble
