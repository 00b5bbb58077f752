"""Changes what people may change of a session that is kept: its title, and the names of its speakers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, delete, select

from storage.database import Database
from storage.history.tags import SPEAKER, speaker_tags
from storage.history.writing.rows import add_tags
from storage.tables import SessionRecord, SessionTag


class SessionEditor:
    """Edits the records of one database; every method blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_title(self, principal: str, session_id: str, title: str | None) -> bool:
        """Give a session a title, or none; whether the session is there.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._database.writing() as unit:
            record = unit.scalar(_one(principal, session_id))
            if record is not None:
                record.title = title
            return record is not None

    def name_speakers(self, principal: str, session_id: str, names: Mapping[str, str | None]) -> bool:
        """Give speakers names by their labels; None takes a name away. Whether the session is there.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._database.writing() as unit:
            record = unit.scalar(_one(principal, session_id))
            if record is None:
                return False
            before = set(record.speakers.values())
            kept = {label: name for label, name in record.speakers.items() if label not in names}
            record.speakers = kept | {label: name for label, name in names.items() if name}
            gone = before - set(record.speakers.values()) - set(record.speakers)
            unit.execute(
                delete(SessionTag).where(
                    SessionTag.session_number == record.number,
                    SessionTag.name == SPEAKER,
                    SessionTag.value.in_(gone),
                )
            )
            add_tags(unit, record, speaker_tags((), record.speakers))
            return True


def _one(principal: str, session_id: str) -> Select[Any]:
    return (
        select(SessionRecord)
        .where(SessionRecord.id == session_id, SessionRecord.principal == principal)
        .with_for_update()
    )
