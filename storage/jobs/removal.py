"""Deletes jobs: those of uploads that were kept long enough, and files whose job is gone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.jobs import ENDED
from storage.database import Database
from storage.jobs.files import JOB_ID, JOBS, job_folder
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.recordings.store import RecordingStore
from storage.times import utc_now

AT_ONCE: Final = 50  # Jobs that are tidied at once.


def delete_jobs(unit: Unit, which: ColumnElement[bool]) -> list[str]:
    """Delete the rows of jobs; their ids. An enhancer that has one notices at its next heartbeat."""
    ids = list(unit.execute(delete(JobRecord).where(which).returning(JobRecord.id)).scalars())
    if ids:
        unit.execute(delete(JobStageRecord).where(JobStageRecord.job_id.in_(ids)))
    return ids


class JobRemover:
    """Deletes the jobs of one database, and their files; every method blocks.

    Each may raise `DatabaseUnavailable` and `StorageUnavailable`.
    """

    def __init__(
        self, database: Database, files: RecordingStore, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._database, self._files, self._now = database, files, now
        self._strangers: set[str] = set()  # Folders that had no job at the last look.

    def delete(self, principal: str, job_id: str) -> bool:
        """Delete a job with all that it made; whether it was there."""
        which = (JobRecord.id == job_id) & (JobRecord.principal == principal)
        with self._database.writing() as unit:
            found = delete_jobs(unit, which)
        self._delete_files(found)
        return bool(found)

    def purge(self, retention_days: float | None) -> int:
        """Delete the jobs of uploads that ended longer ago than that; None: no job is too old."""
        if retention_days is None:
            return 0
        before = self._now() - timedelta(days=retention_days)
        which: Any = JobRecord.status.in_(ENDED) & (JobRecord.ended_at < before)
        with self._database.writing() as unit:
            found = delete_jobs(unit, which & JobRecord.session_id.is_(None))
        self._delete_files(found)
        return len(found)

    def tidy(self) -> int:
        """Delete what the jobs of uploads need no more, all but the results; of how many jobs."""
        table = JobRecord
        query = select(table.id, table.result_key).where(
            table.status.in_(ENDED), table.input_key.is_not(None)
        )
        with self._database.reading() as connection:
            over = connection.execute(query.limit(AT_ONCE)).all()
        for job_id, result_key in over:
            folder = job_folder(job_id)
            for name in self._files.sizes(folder):
                if f"{folder}/{name}" != result_key:
                    self._files.delete(f"{folder}/{name}")
            with self._database.writing() as unit:
                unit.execute(update(JobRecord).where(JobRecord.id == job_id).values(input_key=None))
        return len(over)

    def sweep_files(self) -> int:
        """Delete the folders that had no job at the last look and have none now; how many.

        An upload is written before its job is made, so one look is not enough.
        """
        folders = {name for name in self._files.folders(JOBS) if JOB_ID.fullmatch(name)}
        with self._database.reading() as connection:
            known = set(connection.execute(select(JobRecord.id)).scalars()) if folders else set()
        strangers = folders - known
        gone = strangers & self._strangers
        self._strangers = strangers - gone
        self._delete_files(gone)
        return len(gone)

    def _delete_files(self, job_ids: Any) -> None:
        for job_id in job_ids:
            self._files.delete(job_folder(job_id), recursive=True)
