"""Keeps sessions in a database as a gateway would, on clocks that the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, BinaryIO, Final

from sqlalchemy import select
from sqlalchemy.orm import Session as Unit

from storage.database import Database
from storage.history.writing.changes import NewUtterance
from storage.history.writing.history_writer import WriterTimes
from storage.history.writing.session_history import KeptSession, SessionHistory
from storage.history.writing.write_queue import QueueBounds
from storage.tables import SessionRecord, UtteranceRecord
from tests.support.managed_process import DEADLINE_S

NOON: Final = datetime(2026, 5, 4, 12, tzinfo=UTC)
QUICK: Final = WriterTimes(pause=0.0, retry=0.01)
WRITTEN_S: Final = DEADLINE_S  # Seconds until a write has been done.


class MovedClock:
    """A wall clock and a clock of seconds, which the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds


class MemoryFiles:
    """The files of sessions, by id; `broken` says that they can't be reached."""

    def __init__(self, **audio: bytes) -> None:
        self.audio = dict(audio)
        self.deleted: list[str] = []
        self.broken = False

    def open_audio(self, session_id: str) -> BinaryIO:
        """The recording."""
        if session_id not in self.audio:
            raise FileNotFoundError(session_id)
        return BytesIO(self.audio[session_id])

    def delete(self, session_id: str) -> None:
        """Remove it."""
        if self.broken:
            raise OSError("the disk is away")
        self.deleted.append(session_id)
        self.audio.pop(session_id, None)

    def delete_job(self, job_id: str) -> None:
        """Remove what a job has."""
        self.delete(job_id)


@contextmanager
def history_of(
    database: Database,
    clock: MovedClock | None = None,
    bounds: QueueBounds | None = None,
    gateway: str = "g1",
) -> Iterator[SessionHistory]:
    """A history that writes at once, for the duration of a block."""
    history = SessionHistory(database, gateway, (clock or MovedClock()).now, bounds, QUICK)
    history.start()
    try:
        yield history
    finally:
        history.close(WRITTEN_S)


def begun(history: SessionHistory, session_id: str, **about: Any) -> KeptSession:
    """A session that begins now."""
    kept = history.begin(session_id, **about)
    assert kept is not None
    return kept


def kept_session(history: SessionHistory, number: int, *texts: str, **about: Any) -> str:
    """A session that said these texts, one a second, and is over; its id is made of the number."""
    session_id = f"{number:032x}"
    kept = begun(history, session_id, **about)
    for at, text in enumerate(texts, start=1):
        kept.add_utterance(NewUtterance(number=at, text=text, start=at - 1.0, end=float(at)))
    kept.finish("ended", "normal", audio_seconds=float(len(texts)))
    return session_id


def written(history: SessionHistory) -> None:
    """Wait until all is in the database."""
    assert history.wait_written(WRITTEN_S), history.trouble


def record_of(database: Database, session_id: str) -> SessionRecord | None:
    """The record of a session."""
    with database.writing() as unit:
        return unit.scalar(select(SessionRecord).where(SessionRecord.id == session_id))


def texts_of(database: Database) -> list[str]:
    """All texts that are kept."""
    with database.writing() as unit:
        return list(unit.scalars(select(UtteranceRecord.text).order_by(UtteranceRecord.id)))


def count_of(unit: Unit, table: type[Any]) -> int:
    """The rows of a table."""
    return len(unit.execute(select(table)).all())
