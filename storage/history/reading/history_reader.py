"""Reads the history: pages of sessions, one session, its utterances. Every method blocks."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, or_, select

from storage.database import Database
from storage.history.reading.history_query import HistoryQuery, PagePlace, SessionPage
from storage.history.reading.search import find_page
from storage.tables import SessionRecord, SessionTag, Source, UtteranceRecord, utterance_ids

COLUMNS: Final = tuple(
    getattr(SessionRecord, each.key).label(each.key) for each in SessionRecord.__mapper__.column_attrs
)


class HistoryReader:
    """Reads one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, query: HistoryQuery) -> SessionPage:
        """The sessions that are wanted, the youngest first.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        with self._database.reading() as connection:
            if query.words:
                found = find_page(connection, query, filters(query))
                return SessionPage(load_sessions(connection, found.numbers), found.following, found.hits)
            return list_page(connection, query)

    def session(self, principal: str, session_id: str) -> dict[str, Any] | None:
        """The columns of a session, None where there is none.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        query = select(*COLUMNS).where(SessionRecord.id == session_id, SessionRecord.principal == principal)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else dict(row)

    def utterances(self, number: int, source: Source, after: int = 0, limit: int | None = None) -> list[Any]:
        """The utterances of a session by its number, in the order of their keys, behind the key `after`.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        first, last = utterance_ids(number, source)
        table: Any = UtteranceRecord.__table__
        query = select(table).where(table.c.id.between(max(first, after + 1), last)).order_by(table.c.id)
        with self._database.reading() as connection:
            return list(connection.execute(query if limit is None else query.limit(limit)))


def list_page(connection: Connection, query: HistoryQuery) -> SessionPage:
    """A page without a search, along one index: that of the first tag, or that of the sessions."""
    statement, began, number = _source(query)
    if query.after and query.after.begun_at is not None:
        place = query.after
        statement = statement.where(
            or_(began < place.begun_at, and_(began == place.begun_at, number < place.number)),
            began <= place.begun_at,
        )
    statement = statement.where(*_times(query, began)).order_by(began.desc(), number.desc())
    rows = connection.execute(statement.limit(query.limit + 1)).mappings().all()
    sessions = [dict(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    last = PagePlace(sessions[-1]["number"], sessions[-1]["begun_at"]) if more else None
    return SessionPage(sessions, last)


def _source(query: HistoryQuery) -> tuple[Select[Any], ColumnElement[Any], ColumnElement[Any]]:
    """What is read along, and its columns that order it."""
    if not query.tags:
        statement = select(*COLUMNS).where(*_conditions(query, ()))
        return statement, SessionRecord.begun_at, SessionRecord.number  # type: ignore[return-value]
    (name, value), *others = query.tags
    statement = (
        select(*COLUMNS)
        .join(SessionTag, SessionTag.session_number == SessionRecord.number)
        .where(SessionTag.principal == query.principal, SessionTag.name == name, SessionTag.value == value)
        .where(*_conditions(query, others))
    )
    return statement, SessionTag.begun_at, SessionTag.session_number  # type: ignore[return-value]


def filters(query: HistoryQuery) -> list[ColumnElement[bool]]:
    """What a session must fulfil, but for the words."""
    return [*_conditions(query, query.tags), *_times(query, SessionRecord.begun_at)]


def _conditions(query: HistoryQuery, tags: Sequence[tuple[str, str]]) -> list[ColumnElement[bool]]:
    found = [SessionRecord.principal == query.principal]
    if query.status is not None:
        found.append(SessionRecord.status == query.status)
    return found + [_has_tag(name, value) for name, value in tags]


def _has_tag(name: str, value: str) -> ColumnElement[bool]:
    tag = SessionTag.__table__.alias()
    return exists().where(
        tag.c.session_number == SessionRecord.number, tag.c.name == name, tag.c.value == value
    )


def _times(query: HistoryQuery, began: Any) -> list[ColumnElement[bool]]:
    found = []
    if query.begun_from is not None:
        found.append(began >= query.begun_from)
    if query.begun_until is not None:
        found.append(began < query.begun_until)
    return found


def load_sessions(connection: Connection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The columns of sessions, in the order of `numbers`."""
    rows = connection.execute(select(*COLUMNS).where(SessionRecord.number.in_(numbers))).mappings()
    by_number = {row["number"]: dict(row) for row in rows}
    return [by_number[number] for number in numbers if number in by_number]
