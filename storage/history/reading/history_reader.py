"""Reads the history: pages of sessions, one session, its utterances. Every method blocks."""

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, select

from storage.database import Database
from storage.history.reading.history_query import HistoryQuery, KeptUtterance, ReadingLimits, SessionPage
from storage.history.reading.search import FoundSessions, find_page
from storage.history.reading.session_walk import SessionWalk
from storage.tables import SessionRecord, Source, UtteranceRecord, utterance_ids

COLUMNS: Final = tuple(
    getattr(SessionRecord, each.key).label(each.key) for each in SessionRecord.__mapper__.column_attrs
)


UTTERANCE_COLUMNS: Final = tuple(getattr(UtteranceRecord, name) for name in KeptUtterance._fields)


class HistoryReader:
    """Reads one database; `limits` say how much for one page."""

    def __init__(self, database: Database, limits: ReadingLimits | None = None) -> None:
        self._database, self._limits = database, limits or ReadingLimits()

    def page(self, query: HistoryQuery) -> SessionPage:
        """The sessions that are wanted, the youngest first.

        There may be more also behind a page that is not full: where many had to be looked through for it.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._database.reading() as connection:
            found = (find_page if query.words else list_page)(connection, query, self._limits)
            return SessionPage(load_sessions(connection, found.numbers), found.following, found.hits)

    def session(self, principal: str, session_id: str) -> dict[str, Any] | None:
        """The columns of a session, None where there is none.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        query = select(*COLUMNS).where(SessionRecord.id == session_id, SessionRecord.principal == principal)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)

    def utterances(
        self, number: int, source: Source, after: int = 0, limit: int | None = None
    ) -> list[KeptUtterance]:
        """The utterances of a session by its number, in the order of their keys, behind the key `after`.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        first, last = utterance_ids(number, source)
        key = UTTERANCE_COLUMNS[0]
        query = select(*UTTERANCE_COLUMNS).where(key.between(max(first, after + 1), last)).order_by(key)
        with self._database.reading() as connection:
            rows = connection.execute(query if limit is None else query.limit(limit))
            return [KeptUtterance(*row) for row in rows]


def list_page(connection: Connection, query: HistoryQuery, limits: ReadingLimits) -> FoundSessions:
    """A page without a search."""
    walk = SessionWalk(connection, query, limits)
    sessions = list(islice(walk.sessions(query.limit + 1), query.limit + 1))
    shown = sessions[: query.limit]
    following = shown[-1].place if len(sessions) > len(shown) else walk.ended_at
    return FoundSessions([session.number for session in shown], following=following)


def load_sessions(connection: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The columns of sessions, in the order of `numbers`."""
    rows = connection.execute(select(*COLUMNS).where(SessionRecord.number.in_(numbers))).mappings()
    by_number = {row["number"]: dict(row) for row in rows}
    return [by_number[number] for number in numbers if number in by_number]
