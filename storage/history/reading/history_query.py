"""Defines what may be asked of the history, and the place in it at which a page goes on."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from storage.tables import LOCAL

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
LAST_MICROSECOND: Final = 253_402_300_799_000_000  # The last moment of the year 9999.


class BadCursor(Exception):
    """A text is no place in the history."""


@dataclass(frozen=True, slots=True)
class PagePlace:
    """The session behind which a page begins: its number, and when it began, which orders the pages."""

    number: int
    begun_at: datetime

    def __str__(self) -> str:
        moment = (self.begun_at - _EPOCH) // _MICROSECOND
        return base64.urlsafe_b64encode(msgspec.json.encode((self.number, moment))).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> "PagePlace":
        """The place that a text names.

        Raises:
            BadCursor: it names none.
        """
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            number, moment = msgspec.json.decode(data, type=tuple[int, int])
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise BadCursor(text) from None
        if not 0 <= number < 1 << 39 or not 0 <= moment <= LAST_MICROSECOND:
            raise BadCursor(text)
        return cls(number, _EPOCH + moment * _MICROSECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryQuery:
    """Which sessions are wanted: those that fulfil all of it, the youngest first.

    `begun_from` is inclusive, `begun_until` is not. `tags` are names and values as in
    `storage.history.tags`. `words` must all be in one utterance.
    """

    principal: str = LOCAL
    limit: int = 50
    after: PagePlace | None = None
    begun_from: datetime | None = None
    begun_until: datetime | None = None
    status: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What is read for one page: beyond it the page ends early, and the next one goes on.

    `matches` is how many utterances may have the words that their sessions are filtered, and not the sessions
    looked through; `looked` how many utterances are looked through then, where each session counts for some
    more; `walked` how many sessions that one filter fits are held against the other filters.
    """

    matches: int = 2_000
    looked: int = 30_000
    walked: int = 6_000


class KeptUtterance(NamedTuple):
    """An utterance as it is read; `words` is JSON text. There may be thousands."""

    id: int
    number: int
    channel: int
    text: str
    start: float | None
    end: float | None
    speaker: str | None
    language: str | None
    confidence: float | None
    words: str | None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An utterance that has the words that were searched."""

    number: int
    channel: int
    start: float | None
    end: float | None
    text: str


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Columns of sessions, where the next page begins, and the hits by the number of the session."""

    sessions: list[dict[str, Any]]
    following: PagePlace | None
    hits: dict[int, list[SearchHit]] = field(default_factory=dict)
