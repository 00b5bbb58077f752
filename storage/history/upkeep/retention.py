"""Deletes sessions: the one that somebody names, and those that were kept long enough."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Unit

from runtime.logs import get_logger
from storage.database import Database
from storage.history.upkeep.session_files import SessionFiles
from storage.jobs.removal import delete_jobs
from storage.jobs.tables import JobRecord
from storage.tables import SessionRecord, SessionTag, UtteranceRecord, utterance_ids
from storage.times import utc_now

log = get_logger(__name__)

AT_ONCE: Final = 100  # Sessions that are looked up together.


class StillActive(Exception):
    """A session can't be deleted while it runs."""


class SessionRemover:
    """Deletes sessions with their files; every method blocks."""

    def __init__(
        self, database: Database, files: SessionFiles, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database, self._files, self._now = database, files, now

    def delete(self, principal: str, session_id: str) -> bool:
        """Delete a session; false where there is none, or somebody else was faster.

        The files go first: what is left where they can't be removed still has its record.

        Raises:
            StillActive: it runs.
            DatabaseUnavailable: the database is away.
            OSError: the files can't be removed now.
        """
        with self._database.reading() as connection:
            query = select(SessionRecord.status).where(
                SessionRecord.id == session_id, SessionRecord.principal == principal
            )
            status = connection.execute(query).scalar()
        if status == "active":
            raise StillActive(session_id)
        return status is not None and self._remove(session_id)

    def purge(self, retention_days: float | None) -> int:
        """Delete what was kept long enough; a record's own `keep_until` goes before the server's setting.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        deleted = 0
        tried: set[str] = set()
        while due := [key for key in self._due(retention_days, len(tried)) if key not in tried]:
            tried.update(due)
            deleted += sum(self._try_remove(key) for key in due)
        return deleted

    def _due(self, retention_days: float | None, tried: int) -> list[str]:
        """Sessions whose time is over, more than were tried."""
        now = self._now()
        is_due = SessionRecord.keep_until < now
        if retention_days is not None:
            older = SessionRecord.ended_at < now - timedelta(days=retention_days)
            is_due |= SessionRecord.keep_until.is_(None) & older
        query = select(SessionRecord.id).where(SessionRecord.status != "active", is_due)
        with self._database.reading() as connection:
            ordered = query.order_by(SessionRecord.ended_at).limit(AT_ONCE + tried)
            return list(connection.execute(ordered).scalars())

    def _try_remove(self, session_id: str) -> bool:
        try:
            return self._remove(session_id)
        except OSError as error:
            log.warning("the files of a session can't be deleted now", session=session_id, why=str(error))
            return False

    def _remove(self, session_id: str) -> bool:
        self._files.delete(session_id)
        for job_id in self._jobs_of(session_id):
            self._files.delete_job(job_id)
        with self._database.writing() as unit:
            return remove_record(unit, session_id)

    def _jobs_of(self, session_id: str) -> list[str]:
        with self._database.reading() as connection:
            return list(
                connection.execute(select(JobRecord.id).where(JobRecord.session_id == session_id)).scalars()
            )


def remove_record(unit: Unit, session_id: str) -> bool:
    """Delete a session that is over, with its utterances, tags and jobs; whether it was there."""
    number = unit.execute(
        delete(SessionRecord)
        .where(SessionRecord.id == session_id, SessionRecord.status != "active")
        .returning(SessionRecord.number)
    ).scalar()
    if number is None:
        return False
    first, last = utterance_ids(number)
    unit.execute(delete(UtteranceRecord).where(UtteranceRecord.id.between(first, last)))
    unit.execute(delete(SessionTag).where(SessionTag.session_number == number))
    delete_jobs(unit, JobRecord.session_id == session_id)
    return True
