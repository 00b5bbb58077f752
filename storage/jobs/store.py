"""Makes, reads and cancels jobs, for whoever they belong to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.jobs import ENDED, BatchJob, JobOptions
from storage.database import Database
from storage.jobs.creating import insert_job, new_job_id, session_job_id
from storage.jobs.descriptions import describe_job
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.recordings.errors import NoRecording
from storage.recordings.store import RecordingStore
from storage.times import utc_now

MOST: Final = 1_000  # Jobs in one list.
CANCELLED: Final = "it was cancelled"


class JobStore:
    """The jobs in one database, whose results lie in `files`; every method blocks."""

    def __init__(
        self,
        database: Database,
        files: RecordingStore | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._files, self._now = database, files, now

    def create(
        self,
        principal: str,
        options: JobOptions | dict[str, Any],
        session_id: str | None = None,
        input_key: str | None = None,
        job_id: str | None = None,
    ) -> str:
        """Make a job of a session's recording, or of an uploaded file; its id.

        The same `job_id` makes one job. A session may have many; each further one has the next id.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        columns = {
            "principal": principal,
            "session_id": session_id,
            "input_key": input_key,
            "options": options_of(options),
            "source": "upload" if session_id is None else "session",
        }
        with self._database.writing() as unit:
            key = job_id or _next_id(unit, session_id)
            insert_job(unit, key, self._now(), **columns)
        return key

    def read(self, principal: str, job_id: str) -> BatchJob | None:
        """A job without its result; None where there is none of this principal.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._reading() as unit:
            record = unit.scalar(_one(principal, job_id))
            return None if record is None else describe_job(record, stages_of(unit, job_id))

    def list(
        self, principal: str, session_id: str | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[BatchJob]:
        """The jobs of a principal, or of one of their sessions, the youngest first.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        query = select(JobRecord).where(JobRecord.principal == principal)
        if session_id is not None:
            query = query.where(JobRecord.session_id == session_id)
        query = query.order_by(JobRecord.created_at.desc(), JobRecord.id)
        with self._reading() as unit:
            records = unit.scalars(query.limit(min(limit, MOST)).offset(offset)).all()
            return [describe_job(record, stages_of(unit, record.id)) for record in records]

    def cancel(self, principal: str, job_id: str) -> BatchJob | None:
        """End a job that has not ended; the job as it is then, None where there is none.

        Its enhancer notices at its next heartbeat, and whatever it still writes changes nothing.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._database.writing() as unit:
            record = unit.scalar(_one(principal, job_id).with_for_update())
            if record is None:
                return None
            if record.status not in ENDED:
                end_job(unit, record, "cancelled", CANCELLED, self._now())
            return describe_job(record, stages_of(unit, job_id))

    def result(self, principal: str, job_id: str) -> bytes | None:
        """The JSON of the `EnhancedTranscript` of a job that is done, None where there is none.

        Raises:
            DatabaseUnavailable: the database is away.
            StorageUnavailable: the store of the recordings is away.
        """
        assert self._files is not None, "this JobStore was made without the files"
        with self._reading() as unit:
            record = unit.scalar(_one(principal, job_id))
            key = record.result_key if record is not None and record.status == "done" else None
        try:
            return None if key is None else self._files.read(key)
        except NoRecording:
            return None

    @contextmanager
    def _reading(self) -> Iterator[Unit]:
        with self._database.reading() as connection, Unit(connection) as unit:
            yield unit


def options_of(options: JobOptions | dict[str, Any]) -> dict[str, Any]:
    """Options as the database keeps them: those that are not the default."""
    if isinstance(options, dict):
        options = msgspec.convert(options, JobOptions)
    found: dict[str, Any] = msgspec.to_builtins(options)
    return found


def stages_of(unit: Unit, job_id: str) -> Sequence[JobStageRecord]:
    """The stages of a job in their order."""
    query = select(JobStageRecord).where(JobStageRecord.job_id == job_id)
    return unit.scalars(query.order_by(JobStageRecord.position)).all()


def end_job(unit: Unit, record: JobRecord, status: str, reason: str | None, now: datetime) -> None:
    """End a job; what of its stages has not ended is cancelled."""
    record.status, record.reason, record.ended_at = status, reason, now
    unit.execute(
        update(JobStageRecord)
        .where(JobStageRecord.job_id == record.id, JobStageRecord.status.in_(("waiting", "running")))
        .values(status="cancelled", lease_owner=None, lease_until=None, ended_at=now)
        .execution_options(synchronize_session="fetch")
    )


def _one(principal: str, job_id: str) -> Select[Any]:
    return select(JobRecord).where(JobRecord.id == job_id, JobRecord.principal == principal)


def _next_id(unit: Unit, session_id: str | None) -> str:
    if session_id is None:
        return new_job_id()
    query = select(func.count()).select_from(JobRecord).where(JobRecord.session_id == session_id)
    number = unit.scalar(query) or 0
    while unit.get(JobRecord, key := session_job_id(session_id, number + 1)) is not None:
        number += 1
    return key
