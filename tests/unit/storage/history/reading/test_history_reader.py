"""Sessions are listed, filtered and searched page by page; none is shown twice and none is left out."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.history.reading.history_query import (
    BadCursor,
    HistoryQuery,
    PagePlace,
    ReadingLimits,
    SessionPage,
)
from storage.history.reading.history_reader import HistoryReader
from storage.history.writing.changes import NewUtterance
from storage.history.writing.session_history import SessionHistory
from storage.tables import LOCAL
from tests.support.histories import NOON, MovedClock, begun, history_of, kept_session, written

WAYS = (ReadingLimits(), ReadingLimits(matches=0), ReadingLimits(matches=0, looked=3, walked=2))
"""Words that are said seldom and often are searched in two ways; with narrow limits pages end early."""


@pytest.fixture(params=WAYS, ids=["seldom", "often", "early"])
def reader(request: pytest.FixtureRequest, database: Database) -> HistoryReader:
    """A reader, for each way of a search."""
    return HistoryReader(database, request.param)


def pages(reader: HistoryReader, query: HistoryQuery) -> Iterator[SessionPage]:
    while True:
        page = reader.page(query)
        yield page
        if page.following is None:
            return
        query = replace(query, after=PagePlace.read(str(page.following)))


def found(reader: HistoryReader, **query: Any) -> list[int]:
    """The sessions of all pages, by the numbers that their ids are made of."""
    asked = HistoryQuery(**{"limit": 3} | query)
    return [int(session["id"], 16) for page in pages(reader, asked) for session in page.sessions]


def ten(history: SessionHistory, clock: MovedClock) -> None:
    """Ten sessions, two of them begun at the same moment each."""
    for number in range(10):
        clock.seconds = float(number // 2 * 60)
        metadata = {"even": number % 2 == 0, "room": "blue" if number < 7 else "red"}
        kept_session(history, number, "good morning", f"this is number {number}", metadata=metadata)
        written(history)


def test_pages_hold_each_session_once_the_youngest_first(database: Database, reader: HistoryReader) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        ten(history, clock)
    assert found(reader) == list(range(9, -1, -1))
    assert found(reader, limit=10) == list(range(9, -1, -1))
    assert found(reader, principal="somebody") == []
    assert reader.page(HistoryQuery(limit=10)).following is None


def test_filters_are_fulfilled_all_of_them(database: Database, reader: HistoryReader) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        ten(history, clock)
        begun(history, f"{99:032x}")
        written(history)
    minute = timedelta(minutes=1)
    blue, even = ("metadata.room", "blue"), ("metadata.even", "true")
    assert found(reader, status="active") == [99]
    assert found(reader, status="ended", tags=(blue,)) == [6, 5, 4, 3, 2, 1, 0]
    assert found(reader, tags=(blue, even)) == [6, 4, 2, 0]
    assert found(reader, tags=(even,), begun_from=NOON + minute, begun_until=NOON + 4 * minute) == [6, 4, 2]
    assert found(reader, begun_from=NOON + minute, begun_until=NOON + 3 * minute) == [5, 4, 3, 2]
    assert found(reader, words=("morning",), tags=(even,), begun_from=NOON + 3 * minute) == [8, 6]
    assert found(reader, words=("morning",), tags=(blue, even), status="ended") == [6, 4, 2, 0]
    assert found(reader, tags=(("metadata.room", "none"),)) == []
    assert found(reader, tags=(("metadata.room", "red"), even), status="error") == []


def test_a_clock_that_goes_backwards_hides_no_session_and_shows_none_twice(
    database: Database, reader: HistoryReader
) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        for number in range(10):
            clock.seconds = -60.0 * (number % 4)
            kept_session(history, number, "good morning", metadata={"room": "blue"})
            written(history)
    blue, morning = {"tags": (("metadata.room", "blue"),)}, {"words": ("morning",)}
    wishes: tuple[dict[str, Any], ...] = ({}, blue, morning, blue | morning)
    assert [sorted(found(reader, **wanted)) for wanted in wishes] == [list(range(10))] * 4
    assert found(reader)[:3] == [8, 4, 0]


def test_a_search_finds_words_in_one_utterance(database: Database, reader: HistoryReader) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        ten(history, clock)
    assert found(reader, words=("morning",)) == list(range(9, -1, -1))
    assert found(reader, words=("number", "4")) == [4]
    assert found(reader, words=("morning", "4")) == []
    assert found(reader, words=("morn",)) == []
    asked = HistoryQuery(words=("number", "4"))
    hits = [hit for page in pages(reader, asked) for each in page.hits.values() for hit in each]
    assert [(hit.text, hit.start, hit.end) for hit in hits] == [("this is number 4", 1.0, 2.0)]


def test_a_long_session_hides_no_other_one_from_a_search(database: Database) -> None:
    with history_of(database) as history:
        kept_session(history, 1, "needle")
        kept_session(history, 2, *["needle"] * (ReadingLimits().matches + 5))
        kept_session(history, 3, "needle")
        written(history)
    reader = HistoryReader(database)
    assert found(reader, words=("needle",), limit=1) == [3, 2, 1]
    assert found(reader, words=("needle",), limit=10) == [3, 2, 1]


def test_the_last_matches_of_a_session_are_shown(database: Database, reader: HistoryReader) -> None:
    with history_of(database) as history:
        kept_session(history, 1, *(f"needle {number}" for number in range(5)))
        written(history)
    (hits,) = reader.page(HistoryQuery(words=("needle",))).hits.values()
    assert [hit.text for hit in hits] == ["needle 4", "needle 3", "needle 2"]


def test_a_page_that_looked_through_enough_ends_early_and_the_next_goes_on(database: Database) -> None:
    with history_of(database) as history:
        for number in range(30):
            side = {"side": "left" if number % 2 else "right", "both": "yes" if number in (0, 29) else "no"}
            kept_session(history, number, "needle" if number in (0, 29) else "hay", metadata=side)
        written(history)
    reader = HistoryReader(database, ReadingLimits(matches=0, looked=10, walked=5))
    asked = {"limit": 2, "tags": (("metadata.both", "yes"),)}
    assert found(reader, **asked, words=("needle",)) == [29, 0]
    sides = HistoryQuery(tags=(("metadata.side", "left"), ("metadata.side", "right")))
    assert [len(page.sessions) for page in pages(reader, sides)] == [0] * 4
    searched = [len(page.sessions) for page in pages(reader, HistoryQuery(words=("needle",)))]
    assert (searched[0], sum(searched)) == (1, 2)
    assert len(searched) > 2


def test_a_speaker_is_found_by_its_label(database: Database, reader: HistoryReader) -> None:
    with history_of(database) as history:
        kept = begun(history, f"{1:032x}")
        kept.add_utterance(NewUtterance(number=1, text="hello", speaker="A"))
        written(history)
    assert found(reader, tags=(("speaker", "A"),)) == [1]


def test_the_utterances_of_a_session_come_in_order(database: Database) -> None:
    with history_of(database) as history:
        session_id = kept_session(history, 1, "a", "b", "c")
        kept_session(history, 2, "d")
        written(history)
    reader = HistoryReader(database)
    session = reader.session(LOCAL, session_id)
    assert session is not None
    rows = reader.utterances(session["number"], "live")
    assert [row.text for row in rows] == ["a", "b", "c"]
    assert [row.text for row in reader.utterances(session["number"], "live", rows[0].id, 1)] == ["b"]
    assert reader.utterances(session["number"], "enhanced") == []
    assert reader.session("somebody", session_id) is None


@pytest.mark.parametrize("text", ["", "x", "WzFd", "!!!", "bnVsbA", "W251bGwsMV0", "é", "A" * 5_000])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        PagePlace.read(text)
