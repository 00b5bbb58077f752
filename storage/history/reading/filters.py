"""Selects the sessions that fulfil a query, along the index whose filter fits the fewest of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from storage.history.reading.history_query import HistoryQuery, PagePlace
from storage.tables import SessionRecord, SessionTag

FEW: Final = 4_000  # Sessions up to which a filter is counted: it is narrow then, whatever else there is.

_SESSION: Final[Any] = SessionRecord
_TAG: Final[Any] = SessionTag


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """An index that has sessions by when they began: its columns, its filter, and what is left to fulfil."""

    number: ColumnElement[Any]
    begun_at: ColumnElement[Any]
    filter: tuple[ColumnElement[bool], ...]
    others: tuple[ColumnElement[bool], ...]

    def places(self, after: PagePlace | None) -> Select[Any]:
        """The places of the sessions that its own filter fits, the youngest first."""
        statement = select(self.number.label("number"), self.begun_at.label("begun_at")).where(*self.filter)
        if after is not None:
            statement = statement.where(is_behind(after, self.number, self.begun_at))
        return statement.order_by(self.begun_at.desc(), self.number.desc())

    def sessions(self, after: PagePlace | None, last: PagePlace | None) -> Select[Any]:
        """The places of the sessions that fulfil all, up to `last`, and how many utterances each has."""
        statement = self.places(after).add_columns(_SESSION.utterances.label("utterances"))
        if self.number is not _SESSION.number:
            statement = statement.join(SessionRecord, _SESSION.number == self.number)
        if last is not None:
            ties = and_(self.begun_at == last.begun_at, self.number >= last.number)
            statement = statement.where(
                or_(self.begun_at > last.begun_at, ties), self.begun_at >= last.begun_at
            )
        return statement.where(*self.others)


def is_behind(
    place: PagePlace, number: ColumnElement[Any], begun_at: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a session comes after a place; the second half bounds the index."""
    ties = and_(begun_at == place.begun_at, number < place.number)
    return and_(or_(begun_at < place.begun_at, ties), begun_at <= place.begun_at)


def narrowest_order(connection: Connection, query: HistoryQuery) -> SessionOrder:
    """The order whose filter fits the fewest sessions."""
    orders = _orders(query)
    if len(orders) == 1:
        return orders[0]
    counts = [_count(connection, order) for order in orders]
    return orders[counts.index(min(counts))]


def _count(connection: Connection, order: SessionOrder) -> int:
    """How many sessions its filter fits, as far as it matters."""
    some = select(order.number).where(*order.filter).limit(FEW).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _orders(query: HistoryQuery) -> list[SessionOrder]:
    """An order for each filter; that of all sessions where there is none."""
    found = [_tag_order(query, at) for at in range(len(query.tags))]
    if query.status is not None or not found:
        status = [] if query.status is None else [_SESSION.status == query.status]
        own = [_SESSION.principal == query.principal, *status, *_times(query, _SESSION.begun_at)]
        others = _conditions(query, query.tags, status=False)
        found.append(SessionOrder(_SESSION.number, _SESSION.begun_at, tuple(own), tuple(others)))
    return found


def _tag_order(query: HistoryQuery, at: int) -> SessionOrder:
    name, value = query.tags[at]
    own = [_TAG.principal == query.principal, _TAG.name == name, _TAG.value == value]
    own += _times(query, _TAG.begun_at)
    others = _conditions(query, (*query.tags[:at], *query.tags[at + 1 :]))
    return SessionOrder(_TAG.session_number, _TAG.begun_at, tuple(own), tuple(others))


def conditions(query: HistoryQuery) -> list[ColumnElement[bool]]:
    """All that a session must fulfil, but for the words."""
    principal = _SESSION.principal == query.principal
    return [principal, *_conditions(query, query.tags), *_times(query, _SESSION.begun_at)]


def _conditions(
    query: HistoryQuery, tags: Sequence[tuple[str, str]], *, status: bool = True
) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if status and query.status is not None:
        found.append(_SESSION.status == query.status)
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
