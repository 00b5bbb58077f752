"""Holds what is to be written until the database takes it; a live session never waits for that.

What is said of one session while the database is away is added up, so only utterances take more and more
room. They have a bound: what comes beyond it is counted as missing.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from storage.history.writing.changes import SessionChange


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """What may wait: utterances, some 20 MB of them; and sessions, so that no new one is kept."""

    utterances: int = 50_000
    sessions: int = 10_000


class WriteQueue:
    """The changes that wait, by session; any thread may append, one takes."""

    def __init__(self, bounds: QueueBounds | None = None) -> None:
        self._bounds = bounds or QueueBounds()
        self._changed = threading.Condition()
        self._waiting: dict[str, SessionChange] = {}
        self._utterances = 0
        self._appended = self._written = 0  # How many changes have come, and up to which they are written.
        self._is_hurried = self._is_closed = False

    def append(self, change: SessionChange) -> bool:
        """Add a change; false for a new session where too many wait already."""
        with self._changed:
            known = change.id in self._waiting
            if change.begin and not known and len(self._waiting) >= self._bounds.sessions:
                return False
            self._drop_surplus(change)
            self._add(change)
            self._appended += 1
            self._changed.notify_all()
            return True

    def _drop_surplus(self, change: SessionChange) -> None:
        room = max(0, self._bounds.utterances - self._utterances)
        surplus = len(change.utterances) - room
        if surplus > 0:
            del change.utterances[room:]
            change.missing["utterances"] = change.missing.get("utterances", 0) + surplus

    def _add(self, change: SessionChange) -> None:
        self._utterances += len(change.utterances)
        if known := self._waiting.get(change.id):
            known.add_later(change)
        else:
            self._waiting[change.id] = change

    def take(self, pause: float) -> tuple[int, list[SessionChange]]:
        """All that waits, as soon as something does, and its mark for `record_written`.

        At first `pause` seconds are left in which more may come, unless somebody waits for the writing.
        Nothing comes once the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_hurried or self._is_closed, pause)
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            self._is_hurried = False
            return self._appended, self._empty()

    def _empty(self) -> list[SessionChange]:
        taken, self._waiting, self._utterances = self._waiting, {}, 0
        return list(taken.values())

    def put_back(self, changes: Sequence[SessionChange]) -> None:
        """Add changes that could not be written, before what came since."""
        with self._changed:
            since = self._empty()
            for change in (*changes, *since):
                self._add(change)

    def record_written(self, mark: int) -> None:
        """What came up to a mark is written, or never will be."""
        with self._changed:
            self._written = mark
            self._changed.notify_all()

    def wait_written(self, timeout: float) -> bool:
        """Wait until all is written that has come by now, at most `timeout` seconds; whether it is."""
        with self._changed:
            mark = self._appended
            if self._written < mark:
                self._is_hurried = True
                self._changed.notify_all()
            return self._changed.wait_for(lambda: self._written >= mark, timeout)

    def wait_closed(self, timeout: float) -> None:
        """Wait until the queue is closed, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed, timeout)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more comes."""
        return self._is_closed

    def close(self) -> None:
        """Take nothing more; what waits is still given out."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
