"""Gives the stages of jobs to enhancers: one at a time has a stage, and what it lost another one takes.

A stage is taken under a lease that its owner renews. Every change names the lease, so an owner that was too
late changes nothing. A lease that ran out counts as an attempt; after the last one the job fails, or goes on
without the stage where it can.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.jobs import ENDED
from storage.database import Database
from storage.jobs.store import end_job, stages_of
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.times import utc_now

MAX_ATTEMPTS: Final = 3  # Times that a stage is begun before it counts as failed.
LEASE_S: Final = 20.0  # Seconds until another enhancer may take a stage whose owner is not heard of.
BACKOFF_S: Final = 5.0  # Seconds until a stage that failed is begun again; twice as many the next time.
NEEDED: Final = frozenset({"prepare", "transcribe", "merge"})
"""The stages without which there is no result; where another one fails, the job goes on."""


@dataclass(frozen=True, slots=True)
class StageLease:
    """The right to run a stage of a job, until it is lost."""

    job_id: str
    stage: str
    owner: str
    attempt: int


class JobLeases:
    """The leases in one database; every method blocks, and may raise `DatabaseUnavailable`."""

    def __init__(
        self,
        database: Database,
        lease_s: float = LEASE_S,
        max_attempts: int = MAX_ATTEMPTS,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database, self._now = database, now
        self._lease, self._max_attempts = timedelta(seconds=lease_s), max_attempts

    def take_stage(self, job_id: str, owner: str) -> StageLease | None:
        """The next stage of a job; None where there is none now, or somebody else has it."""
        now = self._now()
        with self._database.writing() as unit:
            job = _locked(unit, job_id)
            if job is None or job.status in ENDED:
                return None
            stage = _next_stage(unit, job_id)
            if stage is None or (stage.status == "running" and not _has_run_out(stage, now)):
                return None
            if stage.attempt >= self._max_attempts:
                _use_up(unit, job, stage, now)
                return None
            stage.status, stage.lease_owner, stage.lease_until = "running", owner, now + self._lease
            stage.attempt, stage.started_at = stage.attempt + 1, now
            stage.percent, stage.reason = 0.0, None
            job.status, job.started_at, job.heartbeat_at = "running", job.started_at or now, now
            return StageLease(job_id, stage.name, owner, stage.attempt)

    def beat(self, lease: StageLease, percent: float | None) -> bool:
        """Renew a lease and say how far the stage is; false where it is lost, or the job was cancelled."""
        with self._held(lease) as held:
            if held is not None:
                job, stage, now = held.job, held.stage, held.now
                stage.lease_until, job.heartbeat_at = now + self._lease, now
                stage.percent = stage.percent if percent is None else round(percent, 1)
        return held is not None

    def finish(self, lease: StageLease, output_key: str, used: str | None = None) -> bool:
        """A stage is done, and its output is written; whether it still counted."""
        return self._end_stage(lease, "done", output_key=output_key, used=used)

    def skip(self, lease: StageLease, reason: str) -> bool:
        """A stage can't or need not run, and the job goes on without it; whether it still counted."""
        return self._end_stage(lease, "skipped", reason=reason)

    def fail(self, lease: StageLease, reason: str, *, final: bool) -> bool:
        """A stage went wrong: it is tried again, if the fault is not `final` and attempts are left.

        Returns whether the lease still counted.
        """
        with self._held(lease) as held:
            if held is not None and final:
                _give_up(held.unit, held.job, held.stage, reason, held.now)
            elif held is not None:
                self._try_again(held.unit, held.job, held.stage, reason, held.now)
        return held is not None

    def release(self, lease: StageLease, wait_s: float = 0.0, reason: str | None = None) -> bool:
        """Give a stage back that was not at fault, to be begun after `wait_s` seconds."""
        with self._held(lease) as held:
            if held is not None:
                held.stage.attempt, held.stage.reason = held.stage.attempt - 1, reason
                _put_back(held.job, held.stage)
                held.job.due_at = held.now + timedelta(seconds=wait_s) if wait_s else None
        return held is not None

    def abandon(self, owner: str, reason: str) -> bool:
        """The process of an owner is gone: what it had counts as an attempt; whether it had something."""
        now = self._now()
        query = select(JobStageRecord.job_id).where(
            JobStageRecord.status == "running", JobStageRecord.lease_owner == owner
        )
        with self._database.writing() as unit:
            job_id = unit.scalar(query)
            job = None if job_id is None else _locked(unit, job_id)
            stage = None if job is None else _next_stage(unit, job.id)
            if job is None or stage is None or stage.lease_owner != owner:
                return False
            self._try_again(unit, job, stage, reason, now)
            return True

    def complete(self, lease: StageLease, result_key: str, used: str | None = None) -> bool:
        """The last stage is done, and with it the job; whether it still counted."""
        now = self._now()
        with self._database.writing() as unit:
            return self.complete_in(unit, lease, result_key, used, now)

    def complete_in(
        self, unit: Unit, lease: StageLease, result_key: str, used: str | None, now: datetime
    ) -> bool:
        """The same in a transaction of the caller's, who writes more only where it counted."""
        held = _held(unit, lease)
        if held is None:
            return False
        job, stage = held
        _end(stage, "done", now, output_key=result_key, used=used)
        job.status, job.ended_at, job.result_key, job.reason = "done", now, result_key, None
        return True

    def _try_again(
        self, unit: Unit, job: JobRecord, stage: JobStageRecord, reason: str, now: datetime
    ) -> None:
        if stage.attempt >= self._max_attempts:
            _give_up(unit, job, stage, reason, now)
            return
        stage.reason = reason
        _put_back(job, stage)
        job.due_at = now + timedelta(seconds=BACKOFF_S * 2 ** (stage.attempt - 1))

    def _end_stage(self, lease: StageLease, status: str, **columns: Any) -> bool:
        with self._held(lease) as held:
            if held is not None:
                _end(held.stage, status, held.now, **columns)
                held.job.heartbeat_at = held.job.sent_at = held.now  # Its owner goes on with the next stage.
        return held is not None

    @contextmanager
    def _held(self, lease: StageLease) -> Iterator["_HeldStage | None"]:
        """A transaction with the rows of a lease; None where it does not count any more."""
        now = self._now()
        with self._database.writing() as unit:
            rows = _held(unit, lease)
            yield None if rows is None else _HeldStage(unit, *rows, now)


@dataclass(frozen=True, slots=True)
class _HeldStage:
    """The rows of a lease that counts, in a transaction that began at `now`."""

    unit: Unit
    job: JobRecord
    stage: JobStageRecord
    now: datetime


def expire_leases(unit: Unit, max_attempts: int, now: datetime) -> list[str]:
    """Take back the stages whose owners are not heard of; the ids of their jobs."""
    late = select(JobStageRecord.job_id).where(
        JobStageRecord.status == "running", JobStageRecord.lease_until < now
    )
    found = []
    for job_id in unit.scalars(late).all():
        job = _locked(unit, job_id)
        stage = _next_stage(unit, job_id)
        if job is None or stage is None or stage.status != "running" or not _has_run_out(stage, now):
            continue
        found.append(job_id)
        if stage.attempt >= max_attempts:
            _use_up(unit, job, stage, now)
        else:
            _put_back(job, stage)
    return found


def _locked(unit: Unit, job_id: str) -> JobRecord | None:
    return unit.scalar(select(JobRecord).where(JobRecord.id == job_id).with_for_update())


def _next_stage(unit: Unit, job_id: str) -> JobStageRecord | None:
    return next((stage for stage in stages_of(unit, job_id) if stage.status in ("waiting", "running")), None)


def _held(unit: Unit, lease: StageLease) -> tuple[JobRecord, JobStageRecord] | None:
    """The rows of a lease that still counts."""
    job = _locked(unit, lease.job_id)
    stage = unit.get(JobStageRecord, (lease.job_id, lease.stage))
    if job is None or stage is None or job.status != "running" or stage.status != "running":
        return None
    return (job, stage) if (stage.lease_owner, stage.attempt) == (lease.owner, lease.attempt) else None


def _has_run_out(stage: JobStageRecord, now: datetime) -> bool:
    return stage.lease_until is None or stage.lease_until < now


def _put_back(job: JobRecord, stage: JobStageRecord) -> None:
    stage.status, stage.lease_owner, stage.lease_until, stage.percent = "waiting", None, None, None
    job.sent_at = job.due_at = None


def _use_up(unit: Unit, job: JobRecord, stage: JobStageRecord, now: datetime) -> None:
    reason = stage.reason or f"the enhancer was lost {stage.attempt} times in this stage"
    _give_up(unit, job, stage, reason, now)


def _give_up(unit: Unit, job: JobRecord, stage: JobStageRecord, reason: str, now: datetime) -> None:
    """A stage has failed, and with it the job where it needs the stage."""
    _end(stage, "failed", now, reason=reason)
    job.sent_at = job.due_at = None
    if stage.name in NEEDED:
        unit.flush()
        end_job(unit, job, "failed", f"{stage.name}: {reason}", now)


def _end(stage: JobStageRecord, status: str, now: datetime, **columns: Any) -> None:
    stage.status, stage.ended_at, stage.lease_owner, stage.lease_until = status, now, None, None
    for name, value in columns.items():
        setattr(stage, name, value)
    if status == "done":
        stage.percent = 100.0


def mark_sent(unit: Unit, job_id: str, before: datetime | None, now: datetime | None) -> bool:
    """Say when a job was sent, unless another dispatcher was faster; whether it was not."""
    same = JobRecord.sent_at.is_(None) if before is None else JobRecord.sent_at == before
    done = unit.execute(update(JobRecord).where(JobRecord.id == job_id, same).values(sent_at=now))
    return bool(done.rowcount)  # type: ignore[attr-defined]
