"""Keeps the enrolled voices of each principal."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from storage.database import Database
from storage.jobs.tables import EnrolledVoice
from storage.times import utc_now


@dataclass(frozen=True, slots=True)
class EnrolledSpeaker:
    """A person whose voice is known; `model` names what made the embedding, whose length is one."""

    id: str
    name: str
    embedding: tuple[float, ...]
    model: str
    created_at: datetime


class SpeakerStore:
    """The enrolled voices in one database; every method blocks, and may raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._now = database, now

    def add(self, principal: str, name: str, embedding: Sequence[float], model: str) -> str:
        """Enrol a voice; its id. A name may have several."""
        key = f"spk_{secrets.token_hex(16)}"
        voice = EnrolledVoice(
            id=key,
            principal=principal,
            name=name,
            embedding=[float(x) for x in embedding],
            model=model,
            created_at=self._now(),
        )
        with self._database.writing() as unit:
            unit.add(voice)
        return key

    def list(self, principal: str, model: str | None = None) -> list[EnrolledSpeaker]:
        """The voices of a principal by their names, all or those of one model."""
        table = EnrolledVoice
        query = select(table.id, table.name, table.embedding, table.model, table.created_at)
        query = query.where(table.principal == principal)
        if model is not None:
            query = query.where(table.model == model)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.name, table.created_at)).all()
        return [EnrolledSpeaker(r.id, r.name, tuple(r.embedding), r.model, r.created_at) for r in rows]

    def delete(self, principal: str, speaker_id: str) -> bool:
        """Forget a voice; whether it was there."""
        with self._database.writing() as unit:
            statement = delete(EnrolledVoice).where(
                EnrolledVoice.id == speaker_id, EnrolledVoice.principal == principal
            )
            return unit.execute(statement.returning(EnrolledVoice.id)).first() is not None
