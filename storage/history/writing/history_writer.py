"""Writes what waits in the queue, in a thread of its own, whenever the database takes it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.logs import get_logger
from storage.database import Database, DatabaseUnavailable
from storage.history.writing.changes import SessionChange
from storage.history.writing.rows import write_changes
from storage.history.writing.write_queue import WriteQueue

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WriterTimes:
    """Seconds between two writes, so that those of many sessions are one; and after one that failed."""

    pause: float = 0.25
    retry: float = 1.0


class HistoryWriter:
    """The one that writes; it makes the tables first, as soon as there is a database."""

    def __init__(self, database: Database, queue: WriteQueue, times: WriterTimes | None = None) -> None:
        self._database, self._queue, self._times = database, queue, times or WriterTimes()
        self.trouble: str | None = "the database is not opened yet"  # Why nothing can be written now.
        self._has_tables = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, deadline: float) -> bool:
        """Write what waits, at most `deadline` seconds; whether all is written."""
        self._queue.close()
        if self._thread.ident is not None:  # Else it was never started.
            self._thread.join(deadline)
        return not self._thread.is_alive() and self.trouble is None

    def _run(self) -> None:
        while not self._make_tables():
            if self._queue.is_closed:
                self._report_loss(self._queue.take(0.0)[1])
                return
            self._queue.wait_closed(self._times.retry)
        pause = 0.0
        while True:
            mark, changes = self._queue.take(pause)
            if not changes:
                return
            left = self._write(changes)
            if not left:
                self._queue.record_written(mark)
                pause = self._times.pause
            elif self._queue.is_closed:
                self._report_loss(left)
                return
            else:
                self._queue.put_back(left)
                self._queue.wait_closed(self._times.retry)
                pause = 0.0

    def _report_loss(self, changes: Sequence[SessionChange]) -> None:
        if changes:
            log.error("the history of sessions is incomplete", sessions=len(changes), why=self.trouble)

    def _make_tables(self) -> bool:
        try:
            self._database.migrate()
        except DatabaseUnavailable as error:
            self._note_trouble(error)
            return False
        self._note_success()
        return True

    def _write(self, changes: Sequence[SessionChange]) -> Sequence[SessionChange]:
        """Write all in one transaction; returns what must come again."""
        try:
            with self._database.writing() as unit:
                write_changes(unit, changes)
        except DatabaseUnavailable as error:
            self._note_trouble(error)
            return changes
        except Exception:  # noqa: BLE001 - what one session says must not cost the others theirs
            return self._write_one_by_one(changes)
        self._note_success()
        return ()

    def _write_one_by_one(self, changes: Sequence[SessionChange]) -> Sequence[SessionChange]:
        """What can't be written is left out, and the others are written; returns what must come again."""
        for at, change in enumerate(changes):
            try:
                with self._database.writing() as unit:
                    write_changes(unit, [change])
            except DatabaseUnavailable as error:
                self._note_trouble(error)
                return changes[at:]
            except Exception:
                log.exception("a change of a session can't be kept", session=change.id)
        return ()

    def _note_trouble(self, error: DatabaseUnavailable) -> None:
        if self.trouble != str(error):
            self.trouble = str(error)
            log.warning("the history can't be written now; it is tried again", why=self.trouble)

    def _note_success(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            log.info("the history is open")
