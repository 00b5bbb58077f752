"""Keeps the webhooks that are to be delivered until they are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, update

from storage.database import Database
from storage.inserting import insert_missing
from storage.jobs.tables import WebhookRecord
from storage.times import utc_now

AT_ONCE: Final = 100  # Webhooks that are looked up together.
MOST_TEXT: Final = 500  # Characters of an error that are kept.


@dataclass(frozen=True, slots=True)
class DueWebhook:
    """A webhook to deliver now; `attempts` were in vain."""

    event_id: str
    url: str
    kind: str
    body: str
    attempts: int
    created_at: datetime


def new_webhook(event_id: str, url: str, kind: str, body: str, now: datetime) -> dict[str, Any]:
    """The row of a webhook that is to be delivered at once."""
    return {
        "event_id": event_id,
        "url": url,
        "kind": kind,
        "body": body,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
    }


class WebhookStore:
    """The webhooks in one database; every method blocks, and may raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._now = database, now

    def add(self, event_id: str, url: str, kind: str, body: str) -> None:
        """Have a webhook delivered; one of the same id is delivered once."""
        row = new_webhook(event_id, url, kind, body, self._now())
        with self._database.writing() as unit:
            insert_missing(unit, WebhookRecord, [row], ["event_id"])

    def due(self, now: datetime | None = None) -> list[DueWebhook]:
        """The webhooks to deliver now, the oldest first."""
        table = WebhookRecord
        query = (
            select(table.event_id, table.url, table.kind, table.body, table.attempts, table.created_at)
            .where(table.delivered_at.is_(None), table.next_at <= (now or self._now()))
            .order_by(table.next_at)
            .limit(AT_ONCE)
        )
        with self._database.reading() as connection:
            return [DueWebhook(*row) for row in connection.execute(query)]

    def delivered(self, event_id: str) -> None:
        """It is delivered."""
        self._set(event_id, delivered_at=self._now(), next_at=None, last_error=None)

    def failed(self, event_id: str, error: str, next_at: datetime | None) -> None:
        """It could not be delivered, and is tried again at `next_at`; None: not again."""
        self._set(event_id, next_at=next_at, last_error=error[:MOST_TEXT])

    def _set(self, event_id: str, **values: object) -> None:
        values["attempts"] = WebhookRecord.attempts + 1
        with self._database.writing() as unit:
            unit.execute(update(WebhookRecord).where(WebhookRecord.event_id == event_id).values(values))
