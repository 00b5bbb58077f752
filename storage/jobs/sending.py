"""Says which jobs are to be handed to Celery: new ones, and those that were lost on the way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, or_, select

from storage.database import Database
from storage.jobs.leases import MAX_ATTEMPTS, expire_leases, mark_sent
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.times import utc_now

AT_ONCE: Final = 500  # Jobs that are looked at together.


@dataclass(frozen=True, slots=True)
class SendTimes:
    """Seconds after which a job that nobody took is sent again.

    - empty: while nothing waits in Celery's queue, so the message is lost.
    - full: while others wait in it, and so this one perhaps too; then twice as long each time.
    """

    empty: float = 5.0
    full: float = 60.0


class JobSending:
    """The jobs that wait; any number of dispatchers may ask. Every method may raise `DatabaseUnavailable`."""

    def __init__(
        self,
        database: Database,
        max_attempts: int = MAX_ATTEMPTS,
        times: SendTimes | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._max_attempts = database, max_attempts
        self._times, self._now = times or SendTimes(), now

    def claim_due(self, *, queue_is_empty: bool) -> list[str]:
        """The ids of the jobs to send now, which no other dispatcher sends."""
        now = self._now()
        if not self._has_work():
            return []
        with self._database.writing() as unit:
            expire_leases(unit, self._max_attempts, now)
            unit.flush()
            rows = unit.execute(_waiting(now)).all()
            due = [
                row for row in rows if self._is_due(row.sent_at, row.created_at, now, is_lost=queue_is_empty)
            ]
            return [row.id for row in due if mark_sent(unit, row.id, row.sent_at, now)]

    def unsend(self, job_ids: Iterable[str]) -> None:
        """These could not be sent."""
        with self._database.writing() as unit:
            for job_id in job_ids:
                record = unit.get(JobRecord, job_id, with_for_update=True)
                if record is not None:
                    record.sent_at = None

    def can_be_taken(self, job_id: str) -> bool:
        """Whether an enhancer may begin with a job: it has not ended, and nobody has it."""
        with self._database.reading() as connection:
            query = _waiting(self._now()).where(JobRecord.id == job_id)
            return connection.execute(query).first() is not None

    def _has_work(self) -> bool:
        """Whether a job is open, so that an idle server only reads."""
        query = select(JobRecord.id).where(JobRecord.status.in_(("queued", "running"))).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def _is_due(
        self, sent_at: datetime | None, created_at: datetime, now: datetime, *, is_lost: bool
    ) -> bool:
        if sent_at is None or is_lost:
            return sent_at is None or now - sent_at >= timedelta(seconds=self._times.empty)
        return now - sent_at >= max(timedelta(seconds=self._times.full), sent_at - created_at)


_COLUMNS: Final[tuple[Any, ...]] = (JobRecord.id, JobRecord.sent_at, JobRecord.created_at)


def _waiting(now: datetime) -> Select[Any]:
    """The jobs that are open and that nobody works on."""
    is_held = (
        select(JobStageRecord.job_id)
        .where(JobStageRecord.job_id == JobRecord.id, JobStageRecord.status == "running")
        .where(JobStageRecord.lease_until >= now)
        .exists()
    )
    query: Any = select(JobRecord.id, JobRecord.sent_at, JobRecord.created_at)
    waiting: Select[Any] = (
        query.where(JobRecord.status.in_(("queued", "running")), ~is_held)
        .where(or_(JobRecord.due_at.is_(None), JobRecord.due_at <= now))
        .order_by(JobRecord.sent_at.is_not(None), JobRecord.created_at)
        .limit(AT_ONCE)
    )
    return waiting
