"""Takes what a gateway says of its sessions, and never makes it wait: a thread writes it down.

history = SessionHistory(database, gateway="g1")
history.start()
kept = history.begin(session_id, model="tiny")
kept.add_utterance(...)
kept.finish("ended", "normal")
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from runtime.logs import get_logger
from storage.database import Database
from storage.history.writing.changes import NewSession, NewUtterance, SessionChange
from storage.history.writing.history_writer import HistoryWriter, WriterTimes
from storage.history.writing.write_queue import QueueBounds, WriteQueue
from storage.tables import Status
from storage.times import utc_now

log = get_logger(__name__)

# What a heartbeat says, also to a sweeper that took the session for lost.
LIVES: Final = {"status": "active", "reason": None, "ended_at": None}
HEARTBEAT_S: Final = 5.0  # Seconds between two signs of life of a session in its record.


class KeptSession:
    """The record of one session that runs; every method returns at once."""

    def __init__(self, session_id: str, queue: WriteQueue, now: Callable[[], datetime]) -> None:
        self.id = session_id
        self._queue, self._now = queue, now

    def add_utterance(self, utterance: NewUtterance) -> None:
        """Keep an utterance; one of the same number is kept once."""
        self._append(utterances=[utterance])

    def follow(self, *, audio_seconds: float, lag: float = 0.0) -> None:
        """Show that the session lives, how much audio came, and how far its results are behind."""
        values = {
            "heartbeat_at": self._now(),
            "audio_seconds": audio_seconds,
            **LIVES,
        }
        self._append(values=values, lag=lag)

    def add_worker(self, worker_id: str) -> None:
        """A worker serves the session."""
        self._append(workers=[worker_id])

    def add_failover(self) -> None:
        """The session lost its worker."""
        self._append(failovers=1)

    def add_resume(self) -> None:
        """The client came back."""
        self._append(resumes=1)

    def add_error(self, code: str, message: str) -> None:
        """Something went wrong; the session may go on."""
        self._append(errors=[{"code": code, "message": message[:500]}])

    def finish(
        self, status: Status, reason: str, *, audio_seconds: float, speech_seconds: float = 0.0
    ) -> None:
        """The session is over."""
        values = {
            "status": status,
            "reason": reason,
            "ended_at": self._now(),
            "audio_seconds": audio_seconds,
            "speech_seconds": speech_seconds,
        }
        self._append(values=values)

    def _append(self, **fields: Any) -> None:
        self._queue.append(SessionChange(self.id, **fields))


class SessionHistory:
    """The writing side of the history of one gateway, whose name is `gateway`."""

    def __init__(
        self,
        database: Database,
        gateway: str,
        now: Callable[[], datetime] = utc_now,
        bounds: QueueBounds | None = None,
        times: WriterTimes | None = None,
    ) -> None:
        self._gateway, self._now = gateway, now
        self._queue = WriteQueue(bounds)
        self._writer = HistoryWriter(database, self._queue, times)

    def start(self) -> None:
        """Begin to write; the database may come later."""
        self._writer.start()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written now, None where it can."""
        return self._writer.trouble

    def begin(self, session_id: str, *, age: float = 0.0, **about: Any) -> KeptSession | None:
        """Keep a session that begins, or that another gateway began `age` seconds ago.

        `about` are fields of `NewSession`. None where so many wait for the database that no more can be kept.
        """
        begun_at = self._now() - timedelta(seconds=age)
        new = NewSession(id=session_id, begun_at=begun_at, gateway=self._gateway, **about)
        if self._queue.append(SessionChange(session_id, begin=new)):
            return KeptSession(session_id, self._queue, self._now)
        log.error("a session is not kept: too many wait for the database", session=session_id)
        return None

    def add_found(self, session_id: str, utterances: list[NewUtterance]) -> None:
        """Keep utterances of a session whose gateway is gone."""
        self._queue.append(SessionChange(session_id, utterances=utterances))

    def add_artifact(self, session_id: str, kind: str, about: dict[str, Any]) -> None:
        """A file of a session is there, also of one that another gateway began."""
        self._queue.append(SessionChange(session_id, artifacts={kind: about}))

    def wait_written(self, timeout: float) -> bool:
        """Wait until all that was said by now is written, at most `timeout` seconds; for threads."""
        return self._queue.wait_written(timeout)

    def close(self, deadline: float) -> bool:
        """Write what waits, at most `deadline` seconds; whether all is written."""
        return self._writer.close(deadline)
