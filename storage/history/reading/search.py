"""Searches the utterances for words, and gives a page of their sessions, the youngest first.

A word that is said seldom is looked up in the index of words, and the sessions of its matches are filtered. A
word that is said often is in the next sessions anyhow: these are walked through along the filter, and their
utterances are read. So neither a common word nor a narrow filter makes a search long.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    column,
    func,
    literal_column,
    select,
    text,
    true,
)
from sqlalchemy import table as sql_table

from storage.history.reading.filters import conditions, is_behind
from storage.history.reading.history_query import HistoryQuery, PagePlace, ReadingLimits, SearchHit
from storage.history.reading.session_walk import SessionWalk, WalkedSession
from storage.tables import SESSION_SHIFT, SessionRecord, UtteranceRecord

PORTIONS: Final = 20  # Part of the utterances of a page that is read at first; twice as many each time.
FAR_MORE: Final = 8  # Times the matches that are filtered: an estimate that is as large is right enough.
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
    if _is_said_often(connection, query.words, limits.matches):
        return _page_of_sessions(connection, query, limits)
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


def _is_said_often(connection: Connection, words: Sequence[str], most: int) -> bool:
    """Whether PostgreSQL knows without a look that far more utterances have the words."""
    if connection.dialect.name == "sqlite":
        return False  # It finds some of them faster than it could guess.
    plan = "EXPLAIN (FORMAT JSON) SELECT id FROM utterances WHERE search_index @@ CAST(:words AS tsquery)"
    expression = match_expression(words, is_sqlite=False)
    found = connection.execute(text(plan), {"words": expression}).scalar_one()
    return bool(found[0]["Plan"]["Plan Rows"] > FAR_MORE * most)


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
    matches = _ranked_matches if connection.dialect.name == "sqlite" else _limited_matches
    numbers = [session.number for session in sessions]
    return _by_session(connection.execute(matches(numbers, [_is_of_session(), *map(_has_word, words)])))


def _ranked_matches(numbers: Sequence[int], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """They are numbered from the last one on: the way for SQLite, which knows no LATERAL."""
    place = func.row_number().over(partition_by=_SESSION.number, order_by=_UTTERANCE.id.desc())
    matches = (
        select(*_SHOWN, place.label("place"))
        .join_from(SessionRecord, UtteranceRecord, and_(*conditions))
        .where(_SESSION.number.in_(numbers))
        .subquery()
    )
    return select(matches).where(matches.c.place <= HITS).order_by(matches.c.id.desc())


def _limited_matches(numbers: Sequence[int], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """They are read session by session: PostgreSQL would read all utterances for each session otherwise."""
    matches = (
        select(*_SHOWN)
        .where(*conditions)
        .correlate(SessionRecord)
        .order_by(_UTTERANCE.id.desc())
        .limit(HITS)
        .lateral()
    )
    statement = select(matches).select_from(SessionRecord).join(matches, true())
    return statement.where(_SESSION.number.in_(numbers)).order_by(matches.c.id.desc())


def _is_of_session() -> ColumnElement[bool]:
    """Whether the key of an utterance is one of its session."""
    first = _SESSION.number.op("<<")(literal_column(str(SESSION_SHIFT)))
    behind = first + literal_column(str(1 << SESSION_SHIFT))
    return and_(_UTTERANCE.id >= first, _UTTERANCE.id < behind)


def _has_word(word: str) -> ColumnElement[bool]:
    """Whether an utterance has a word: its words are kept with one space between them."""
    found = _UTTERANCE.search_text.contains(word)  # Is found faster, and is seldom a part of another word.
    return and_(found, (" " + _UTTERANCE.search_text + " ").contains(f" {word} "))


def _by_session(rows: Iterable[Any]) -> dict[int, list[SearchHit]]:
    found: dict[int, list[SearchHit]] = defaultdict(list)
    for row in rows:
        hit = SearchHit(row.number, row.channel, row.start_s, row.end_s, row.text)
        found[row.id >> SESSION_SHIFT].append(hit)
    return dict(found)
