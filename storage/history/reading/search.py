"""Searches the utterances: the youngest session first, along the index, until a page is full.

The keys of utterances begin with the numbers of their sessions, so a search reads the matches downwards and
skips the rest of a session that it has seen. It never sorts all matches of a common word.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, column, literal_column, select, text
from sqlalchemy import table as sql_table

from storage.history.reading.history_query import HistoryQuery, PagePlace, SearchHit
from storage.tables import SESSION_SHIFT, SessionRecord, UtteranceRecord

FIRST_ROWS: Final = 200  # Matches that are read at first; four times as many each further time.
MAX_ROWS: Final = 50_000  # Matches of one page: then it ends early, and the next one goes on.
LAST_KEY: Final = (1 << 63) - 1  # The largest key of a database.
_SEARCH: Final = sql_table("utterance_search", column("rowid", BigInteger))  # In SQLite alone.
HITS: Final = 3  # Matches of a session that are shown.


@dataclass(slots=True)
class FoundSessions:
    """The sessions of a page, their first hits, and where the next page begins."""

    numbers: list[int] = field(default_factory=list)
    hits: dict[int, list[SearchHit]] = field(default_factory=dict)
    following: PagePlace | None = None


def find_page(
    connection: Connection, query: HistoryQuery, conditions: Sequence[ColumnElement[bool]]
) -> FoundSessions:
    """The page of a search; a session must fulfil the `conditions` too."""
    found = FoundSessions()
    below = query.after.number << SESSION_SHIFT if query.after else LAST_KEY
    rows, read = FIRST_ROWS, 0
    while read < MAX_ROWS:
        matches = _matches_below(connection, query.words, below, conditions, rows)
        for row in matches:
            if not _append(found, row, query.limit):
                return found
        if len(matches) < rows:
            return found
        read += len(matches)
        below = (matches[-1].id >> SESSION_SHIFT) << SESSION_SHIFT
        rows = min(4 * rows, MAX_ROWS)
    found.following = PagePlace(below >> SESSION_SHIFT)
    return found


def _append(found: FoundSessions, row: Any, limit: int) -> bool:
    """Add a match; false where it belongs to the next page."""
    number = row.id >> SESSION_SHIFT
    if number not in found.hits:
        if len(found.numbers) == limit:
            found.following = PagePlace(found.numbers[-1])
            return False
        found.numbers.append(number)
        found.hits[number] = []
    if len(found.hits[number]) < HITS:
        found.hits[number].append(SearchHit(row.number, row.channel, row.start_s, row.end_s, row.text))
    return True


def _matches_below(
    connection: Connection,
    words: Sequence[str],
    below: int,
    conditions: Sequence[ColumnElement[bool]],
    rows: int,
) -> Sequence[Any]:
    """Matches with keys under `below`, the largest first."""
    table: Any = UtteranceRecord.__table__.c
    columns = (table.id, table.number, table.channel, table.start_s, table.end_s, table.text)
    is_sqlite = connection.dialect.name == "sqlite"
    key = _SEARCH.c.rowid if is_sqlite else table.id
    session = table.id.op(">>")(literal_column(str(SESSION_SHIFT)))
    statement = (
        select(*columns)
        .join_from(UtteranceRecord, SessionRecord, SessionRecord.number == session)
        .where(*conditions, key < below)
        .order_by(key.desc())
        .limit(rows)
    )
    if is_sqlite:
        statement = statement.where(text("utterance_search MATCH :words"), key == table.id)
    else:
        statement = statement.where(text("utterances.search_index @@ CAST(:words AS tsquery)"))
    return connection.execute(statement, {"words": match_expression(words, is_sqlite=is_sqlite)}).all()


def match_expression(words: Sequence[str], *, is_sqlite: bool) -> str:
    """All of the words, which have letters and digits only, as the database's search reads them."""
    return " AND ".join(f'"{word}"' for word in words) if is_sqlite else " & ".join(f"'{w}'" for w in words)
