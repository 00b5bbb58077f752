"""Defines the tables of jobs, of their stages, of enrolled voices and of webhooks.

`storage/migrations` makes them in a database; a test compares the two.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.tables import LOCAL, Base


class JobRecord(Base):
    """A job of the batch pipeline.

    `source` is "session" or "upload". `input_key` and `result_key` name files among the recordings.
    `due_at` is when it may be sent again, None for at once; `sent_at` when it was handed to Celery last.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_session", "session_id"),
        Index("ix_jobs_status", "status", "created_at"),
        Index("ix_jobs_principal", "principal", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), default=LOCAL)
    session_id: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), default="queued")
    reason: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(default=dict)
    source: Mapped[str] = mapped_column(String(16))
    input_key: Mapped[str | None] = mapped_column(String(300))
    result_key: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]


class JobStageRecord(Base):
    """A stage of a job; `lease_until` is when another enhancer may take it from `lease_owner`."""

    __tablename__ = "job_stages"
    __table_args__ = (Index("ix_job_stages_lease", "status", "lease_until"),)

    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    position: Mapped[int]
    status: Mapped[str] = mapped_column(String(16), default="waiting")
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    percent: Mapped[float | None]
    reason: Mapped[str | None] = mapped_column(Text)
    used: Mapped[str | None] = mapped_column(String(300))
    output_key: Mapped[str | None] = mapped_column(String(300))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class EnrolledVoice(Base):
    """A person's voice: the mean of what `model` makes of their recordings, of length one."""

    __tablename__ = "speakers"
    __table_args__ = (Index("ix_speakers_principal", "principal", "name"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200), default=LOCAL)
    name: Mapped[str] = mapped_column(String(100))
    embedding: Mapped[list[Any]] = mapped_column(JSON)
    model: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class WebhookRecord(Base):
    """A webhook that is to be delivered, or was; `event_id` follows from what makes the event unique."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_next", "delivered_at", "next_at"),)

    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(Text)
