"""Describes a job as clients read it, from its rows."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from dalston_realtime.protocol.jobs import BatchJob, StageReport
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.times import as_iso

# Shares of the whole, about as the stages take time where all of them run.
WEIGHTS: Final = {
    "prepare": 5.0,
    "transcribe": 50.0,
    "diarize": 25.0,
    "names": 2.0,
    "cleanup": 13.0,
    "emotions": 3.0,
    "merge": 2.0,
}
OVER: Final = ("done", "skipped", "failed", "cancelled")


def describe_job(record: JobRecord, stages: Sequence[JobStageRecord]) -> BatchJob:
    """The job, without its result."""
    running = next((stage.name for stage in stages if stage.status == "running"), None)
    return BatchJob(
        job_id=record.id,
        status=record.status,  # type: ignore[arg-type]  # what we wrote
        percent=_percent(record, stages),
        created=as_iso(record.created_at),
        session_id=record.session_id,
        stage=running,
        reason=record.reason,
        ended=None if record.ended_at is None else as_iso(record.ended_at),
        options=dict(record.options) or None,
        stages=describe_stages(stages),
    )


def describe_stages(stages: Iterable[JobStageRecord]) -> tuple[StageReport, ...]:
    """What became of each stage."""
    return tuple(_describe_stage(stage) for stage in stages)


def _describe_stage(stage: JobStageRecord) -> StageReport:
    return StageReport(
        name=stage.name,
        status=stage.status,  # type: ignore[arg-type]  # what we wrote
        percent=stage.percent if stage.status == "running" else None,
        reason=stage.reason,
        used=stage.used,
        seconds=_seconds(stage.started_at, stage.ended_at),
        attempt=stage.attempt or None,
    )


def _seconds(started: datetime | None, ended: datetime | None) -> float | None:
    return None if started is None or ended is None else round((ended - started).total_seconds(), 3)


def _percent(record: JobRecord, stages: Iterable[Any]) -> float:
    if record.status == "done":
        return 100.0
    total = sum(
        WEIGHTS[stage.name] * (100.0 if stage.status in OVER else stage.percent or 0.0) / 100.0
        for stage in stages
        if stage.status != "cancelled"
    )
    return round(min(total, 99.0), 1)
