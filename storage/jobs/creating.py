"""Makes the rows of a job, in the transaction of whoever has a reason for one."""

import hashlib
import secrets
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.jobs import STAGES
from storage.inserting import insert_missing
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.tables import SessionRecord
from storage.times import utc_now

PREFIX: Final = "job_"
DIGITS: Final = 32  # Hexadecimal digits of an id behind the prefix, as many as a session's id has.


def new_job_id() -> str:
    """An id like no other."""
    return PREFIX + secrets.token_hex(DIGITS // 2)


def session_job_id(session_id: str, number: int = 1) -> str:
    """The id of a session's job; the first is that of its end, so whoever ends the session makes the same.

    It is a hash, so nobody who knows the id of a job knows that of its session.
    """
    return digest_job_id(f"dalston-job/{session_id}/{number}".encode())


def digest_job_id(data: bytes) -> str:
    """The id that follows from what a job is made of."""
    return PREFIX + hashlib.sha256(data).hexdigest()[:DIGITS]


def insert_job(unit: Unit, job_id: str, created_at: datetime, **columns: Any) -> None:
    """Insert a job with its stages, unless it is there already."""
    job = {"id": job_id, "status": "queued", "created_at": created_at, **columns}
    insert_missing(unit, JobRecord, [job], ["id"])
    stages = [
        {"job_id": job_id, "name": name, "position": at, "status": "waiting", "attempt": 0}
        for at, name in enumerate(STAGES)
    ]
    insert_missing(unit, JobStageRecord, stages, ["job_id", "name"])


def add_job_of_ended(unit: Unit, record: SessionRecord) -> None:
    """Make the job of a session that is over, where it asked for one at its begin."""
    if record.status == "active" or record.enhance is None:
        return
    insert_job(
        unit,
        session_job_id(record.id),
        record.ended_at or utc_now(),
        principal=record.principal,
        session_id=record.id,
        options=record.enhance,
        source="session",
    )
