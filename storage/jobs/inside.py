"""Reads of a job what its enhancer needs: its options, its input, and what its stages have made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.jobs import StageReport
from storage.database import Database
from storage.jobs.descriptions import describe_stages
from storage.jobs.store import stages_of
from storage.jobs.tables import JobRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInside:
    """A job as its enhancer sees it; `outputs` are keys of files by the names of the stages."""

    principal: str
    session_id: str | None = None
    input_key: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    reports: tuple[StageReport, ...] = ()


def look_inside(database: Database, job_id: str) -> JobInside | None:
    """A job that is there. Blocks.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    with database.reading() as connection, Unit(connection) as unit:
        record = unit.get(JobRecord, job_id)
        if record is None:
            return None
        stages = stages_of(unit, job_id)
        return JobInside(
            principal=record.principal,
            session_id=record.session_id,
            input_key=record.input_key,
            options=record.options,
            outputs={each.name: each.output_key for each in stages if each.output_key is not None},
            reports=describe_stages(stages),
        )
