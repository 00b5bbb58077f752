"""Searches the utterances for words, and gives a page of their sessions, the youngest first.

A word that is said seldom is looked up in the index of words, and the sessions of its matches are filtered. A
word that is said often is in the next sessions anyhow: these are walked through along the filter, and their
utterances are read. So neither a common word nor a narrow filter makes a search long.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, column, func, literal_column, select, text
from sqlalchemy import table as sql_table

from storage.history.reading.filters import conditions, is_behind
from storage.history.reading.history_query import HistoryQuery, PagePlace, ReadingLimits, SearchHit
from storage.history.reading.session_walk import SessionWalk, WalkedSession
from storage.tables import SESSION_SHIFT, SessionRecord, UtteranceRecord

PORTIONS: Final = 20  # Part of the utterances of a page that is read at first; twice as many each time.
HITS: Final = 3  # Matches of a session that are shown.

_SEARCH: Final = sql_table("utterance_search", column("rowid", BigInteger))  # In SQLite alone.
_SESSION: Final[Any] = SessionRecord
_UTTERANCE: Final[Any] = UtteranceRecord.__table__.c
_SHOWN: Final = tuple(_UTTERANCE[name] for name in ("id", "number", "channel", "start_s", "end_s", "text"))


@dataclass(slots=True)
class FoundSessions:
    """The sessions of a page, their last hits, and where the next page begins."""

    numbers: list[int] = field(default_factory=list)
    hits: dict[int, list[SearchHit]] = field(default_factory=dict)
    following: PagePlace | None = None


def find_page(connection: Connection, query: HistoryQuery, limits: ReadingLimits) -> FoundSessions:
    """The page of a search."""
    matches = _some_matches(connection, query.words, limits.matches + 1)
    if len(matches) <= limits.matches:
        return _page_of_matches(connection, query, matches)
    return _page_of_sessions(connection, query, limits)


def _some_matches(connection: Connection, words: Sequence[str], most: int) -> Sequence[int]:
    """The keys of utterances that have the words, but not more than `most`."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        statement = select(_SEARCH.c.rowid).where(text("utterance_search MATCH :words"))
    else:
        statement = select(_UTTERANCE.id).where(text("utterances.search_index @@ CAST(:words AS tsquery)"))
    expression = match_expression(words, is_sqlite=is_sqlite)
    return connection.execute(statement.limit(most), {"words": expression}).scalars().all()


def match_expression(words: Sequence[str], *, is_sqlite: bool) -> str:
    """All of the words, which have letters and digits only, as the database's search reads them."""
    return " AND ".join(f'"{word}"' for word in words) if is_sqlite else " & ".join(f"'{w}'" for w in words)


def _page_of_matches(connection: Connection, query: HistoryQuery, matches: Sequence[int]) -> FoundSessions:
    """The page of words that are said seldom: the sessions of all matches, filtered."""
    by_session: dict[int, list[int]] = defaultdict(list)
    for key in sorted(matches, reverse=True):
        by_session[key >> SESSION_SHIFT].append(key)
    statement = select(_SESSION.number, _SESSION.begun_at).where(
        _SESSION.number.in_(list(by_session)), *conditions(query)
    )
    if query.after is not None:
        statement = statement.where(is_behind(query.after, _SESSION.number, _SESSION.begun_at))
    statement = statement.order_by(_SESSION.begun_at.desc(), _SESSION.number.desc()).limit(query.limit + 1)
    rows = connection.execute(statement).all()
    shown = rows[: query.limit]
    following = PagePlace(*shown[-1]) if len(rows) > len(shown) else None
    numbers = [row.number for row in shown]
    keys = [key for number in numbers for key in by_session[number][:HITS]]
    hits = connection.execute(select(*_SHOWN).where(_UTTERANCE.id.in_(keys)).order_by(_UTTERANCE.id.desc()))
    return FoundSessions(numbers, _by_session(hits), following)


def _page_of_sessions(connection: Connection, query: HistoryQuery, limits: ReadingLimits) -> FoundSessions:
    """The page of words that are said often: the next sessions of the filter that have them."""
    found, looked, walk = FoundSessions(), 0, SessionWalk(connection, query, limits)
    for some in _portions(walk.sessions(query.limit), limits.looked // PORTIONS):
        hits = _last_hits(connection, some, query.words)
        for session in some:
            if session.number not in hits:
                continue
            if len(found.numbers) == query.limit:
                return found
            found.numbers.append(session.number)
            found.hits[session.number] = hits[session.number]
            found.following = session.place
        looked += sum(session.cost for session in some)
        if looked >= limits.looked:
            found.following = some[-1].place
            return found
    found.following = walk.ended_at
    return found


def _portions(sessions: Iterable[WalkedSession], most: int) -> Iterator[list[WalkedSession]]:
    """The sessions in portions to read at once: of so many utterances, and of twice as many each time."""
    portion: list[WalkedSession] = []
    cost = 0
    for session in sessions:
        portion.append(session)
        cost += session.cost
        if cost >= most:
            yield portion
            portion, cost, most = [], 0, 2 * most
    if portion:
        yield portion


def _last_hits(
    connection: Connection, sessions: Sequence[WalkedSession], words: Sequence[str]
) -> dict[int, list[SearchHit]]:
    """The last utterances of these sessions that have the words."""
    first = _SESSION.number.op("<<")(literal_column(str(SESSION_SHIFT)))
    is_of_session = and_(
        _UTTERANCE.id >= first, _UTTERANCE.id < first + literal_column(str(1 << SESSION_SHIFT))
    )
    place = func.row_number().over(partition_by=_SESSION.number, order_by=_UTTERANCE.id.desc())
    matches = (
        select(*_SHOWN, place.label("place"))
        .join_from(SessionRecord, UtteranceRecord, is_of_session)
        .where(_SESSION.number.in_([session.number for session in sessions]))
        .where(*(_has_word(word) for word in words))
        .subquery()
    )
    last = select(matches).where(matches.c.place <= HITS).order_by(matches.c.id.desc())
    return _by_session(connection.execute(last))


def _has_word(word: str) -> ColumnElement[bool]:
    """Whether an utterance has a word: its words are kept with one space between them."""
    spaced: ColumnElement[bool] = (" " + _UTTERANCE.search_text + " ").like(f"% {word} %")
    return spaced


def _by_session(rows: Iterable[Any]) -> dict[int, list[SearchHit]]:
    found: dict[int, list[SearchHit]] = defaultdict(list)
    for row in rows:
        hit = SearchHit(row.number, row.channel, row.start_s, row.end_s, row.text)
        found[row.id >> SESSION_SHIFT].append(hit)
    return dict(found)
