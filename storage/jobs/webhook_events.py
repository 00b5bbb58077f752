"""Finds what webhooks are to tell: sessions and jobs that have ended, and of which nobody has told yet.

The id of an event follows from what happened, so whoever looks, and however often, makes each one once.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Select, literal, select
from sqlalchemy.orm import InstrumentedAttribute

from dalston_realtime.protocol.jobs import ENDED
from storage.database import Database
from storage.inserting import insert_missing
from storage.jobs.tables import JobRecord, WebhookRecord
from storage.jobs.webhooks import new_webhook
from storage.tables import SessionRecord
from storage.times import as_iso, utc_now

AT_ONCE: Final = 100  # Events that are made in one transaction.
LOOK_BACK: Final = timedelta(hours=24)  # What ended longer ago is told to nobody, as where a URL is new.
KINDS: Final[Mapping[str, str]] = {"done": "job.done", "failed": "job.failed", "cancelled": "job.failed"}
"""The kind of event by the end of a job."""


class WebhookEvents:
    """The events of one database for the receiver at `url`; every method blocks."""

    def __init__(self, database: Database, url: str, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._url, self._now = database, url, now

    def collect(self) -> int:
        """Have what has ended told; how many events there are now that were not there before.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        since = self._now() - LOOK_BACK
        with self._database.reading() as connection:
            sessions = connection.execute(_sessions(since)).mappings().all()
            jobs = connection.execute(_jobs(since)).mappings().all()
        rows = [*self._events(map(_of_session, sessions)), *self._events(map(_of_job, jobs))]
        if rows:
            with self._database.writing() as unit:
                insert_missing(unit, WebhookRecord, rows, ["event_id"])
        return len(rows)

    def _events(self, found: Iterable[tuple[str, str, dict[str, Any]]]) -> Iterable[dict[str, Any]]:
        for key, kind, data in found:
            now = self._now()
            body = {
                "event_id": key,
                "type": kind,
                "created": as_iso(now),
                "data": {name: value for name, value in data.items() if value not in (None, {}, [])},
            }
            yield new_webhook(key, self._url, kind, msgspec.json.encode(body).decode(), now)


def _untold(query: Any, prefix: str, key: InstrumentedAttribute[str]) -> Select[Any]:
    told = select(WebhookRecord.event_id).where(WebhookRecord.event_id == literal(prefix) + key).exists()
    untold: Select[Any] = query.where(~told).limit(AT_ONCE)
    return untold


def _sessions(since: datetime) -> Select[Any]:
    table = SessionRecord
    query = select(
        table.id,
        table.status,
        table.reason,
        table.model,
        table.language,
        table.begun_at,
        table.ended_at,
        table.audio_seconds,
        table.speech_seconds,
        table.words,
        table.labels.label("labels"),
    )
    query = query.where(table.ended_at >= since, table.status != "active").order_by(table.ended_at)
    return _untold(query, "session.ended.", table.id)


def _jobs(since: datetime) -> Select[Any]:
    table = JobRecord
    query = select(table.id, table.session_id, table.status, table.reason, table.created_at, table.ended_at)
    query = query.where(table.ended_at >= since, table.status.in_(ENDED)).order_by(table.ended_at)
    return _untold(query, "job.ended.", table.id)


def _of_session(row: Mapping[Any, Any]) -> tuple[str, str, dict[str, Any]]:
    plain = ("status", "reason", "model", "language", "audio_seconds", "speech_seconds", "words")
    data = {"session_id": row["id"], "begun_at": as_iso(row["begun_at"]), "ended_at": as_iso(row["ended_at"])}
    data |= {name: row[name] for name in plain} | {"metadata": row["labels"]}
    return f"session.ended.{row['id']}", "session.ended", data


def _of_job(row: Mapping[Any, Any]) -> tuple[str, str, dict[str, Any]]:
    data = {
        "job_id": row["id"],
        "session_id": row["session_id"],
        "status": row["status"],
        "reason": row["reason"],
        "created": as_iso(row["created_at"]),
        "ended": as_iso(row["ended_at"]),
    }
    return f"job.ended.{row['id']}", KINDS[row["status"]], data
