"""Walks through the sessions that fulfil a filter, the youngest first, and never through too many at once.

Two filters may each fit half of all sessions and together none. So what is walked along an index has a bound:
then the walk ends early, and the next page goes on where it ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from storage.history.reading.filters import SessionOrder, narrowest_order
from storage.history.reading.history_query import HistoryQuery, PagePlace, ReadingLimits

WINDOWS: Final = 4  # Part of the sessions of a page that is walked at first; four times as many each time.


SESSION_COST: Final = 30  # Utterances that are looked through in the time that any session takes.


@dataclass(frozen=True, slots=True)
class WalkedSession:
    """A session that fulfils the filter, and how many utterances it has."""

    number: int
    begun_at: datetime
    utterances: int

    @property
    def cost(self) -> int:
        """How long it takes to look through it, in utterances."""
        return SESSION_COST + self.utterances

    @property
    def place(self) -> PagePlace:
        """The place behind which the walk goes on."""
        return PagePlace(self.number, self.begun_at)


class SessionWalk:
    """One walk; `ended_at` is the place where it ended early, None where it went to the end."""

    def __init__(self, connection: Connection, query: HistoryQuery, limits: ReadingLimits) -> None:
        self._connection, self._after, self._most = connection, query.after, limits.walked
        self._order: SessionOrder = narrowest_order(connection, query)
        self.ended_at: PagePlace | None = None

    def sessions(self, at_once: int) -> Iterator[WalkedSession]:
        """The sessions; so many of them are read at first, and twice as many each further time."""
        walked, window = 0, max(1, self._most // WINDOWS)
        while walked < self._most:
            last = self._place_behind(window)
            yield from self._up_to(last, at_once)
            if last is None:
                return
            self._after, walked, window = last, walked + window, 4 * window
        self.ended_at = self._after

    def _place_behind(self, window: int) -> PagePlace | None:
        """The last place of the next so many sessions of the filter; None where there are fewer."""
        if not self._order.others:
            return None
        row = self._connection.execute(self._order.places(self._after).offset(window - 1).limit(1)).first()
        return None if row is None else PagePlace(row.number, row.begun_at)

    def _up_to(self, last: PagePlace | None, at_once: int) -> Iterator[WalkedSession]:
        after = self._after
        while True:
            statement = self._order.sessions(after, last).limit(at_once)
            rows = [WalkedSession(*row) for row in self._connection.execute(statement)]
            yield from rows
            if len(rows) < at_once:
                return
            after, at_once = rows[-1].place, 2 * at_once
