"""A session is deleted with all that belongs to it, when somebody says so or its time is over."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from storage.database import Database
from storage.history.upkeep.retention import SessionRemover, StillActive
from storage.tables import LOCAL, SessionRecord, SessionTag, UtteranceRecord
from tests.support.histories import (
    NOON,
    MemoryFiles,
    MovedClock,
    begun,
    count_of,
    history_of,
    kept_session,
    record_of,
    written,
)

DAY = 86_400.0


def rows(database: Database) -> list[int]:
    with database.writing() as unit:
        return [count_of(unit, table) for table in (SessionRecord, UtteranceRecord, SessionTag)]


def test_a_session_goes_with_its_utterances_tags_and_files(database: Database) -> None:
    files = MemoryFiles()
    with history_of(database) as history:
        gone = kept_session(history, 1, "a", "b", metadata={"k": "v"})
        kept_session(history, 2, "c", metadata={"k": "v"})
        written(history)
    remover = SessionRemover(database, files)
    assert remover.delete(LOCAL, gone)
    assert rows(database) == [1, 1, 1]
    assert files.deleted == [gone]
    assert not remover.delete(LOCAL, gone)


def test_a_session_of_somebody_else_is_not_there(database: Database) -> None:
    files = MemoryFiles()
    with history_of(database) as history:
        other = kept_session(history, 1, "a", principal="somebody")
        written(history)
    assert not SessionRemover(database, files).delete(LOCAL, other)
    assert files.deleted == []


def test_a_session_that_runs_is_not_deleted(database: Database) -> None:
    files = MemoryFiles()
    with history_of(database) as history:
        begun(history, "a" * 32)
        written(history)
    with pytest.raises(StillActive):
        SessionRemover(database, files).delete(LOCAL, "a" * 32)
    assert files.deleted == []


def test_of_two_deletes_at_once_one_deletes(database: Database) -> None:
    with history_of(database) as history:
        session_id = kept_session(history, 1, "a")
        written(history)
    remover, results = SessionRemover(database, MemoryFiles()), []
    threads = [
        threading.Thread(target=lambda: results.append(remover.delete(LOCAL, session_id))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]


def test_files_that_can_not_be_removed_keep_their_record(database: Database) -> None:
    files = MemoryFiles()
    files.broken = True
    with history_of(database) as history:
        session_id = kept_session(history, 1, "a")
        written(history)
    remover = SessionRemover(database, files, lambda: NOON + timedelta(days=9))
    with pytest.raises(OSError, match="the disk is away"):
        remover.delete(LOCAL, session_id)
    assert remover.purge(1.0) == 0
    assert record_of(database, session_id) is not None
    files.broken = False
    assert remover.purge(1.0) == 1


def test_what_is_older_than_the_setting_is_purged_and_what_has_its_own_time_is_not(
    database: Database,
) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        old, kept_longer, kept_shorter = (kept_session(history, n, "a") for n in (1, 2, 3))
        begun(history, "a" * 32)
        written(history)
        clock.seconds = 8 * DAY
        young = kept_session(history, 4, "a")
        written(history)
    with database.writing() as unit:
        for session_id, days in ((kept_longer, 20), (kept_shorter, 1)):
            values = {"keep_until": NOON + timedelta(days=days)}
            unit.execute(update(SessionRecord).where(SessionRecord.id == session_id).values(values))
    remover = SessionRemover(database, MemoryFiles(), clock.now)
    assert remover.purge(None) == 1
    assert record_of(database, kept_shorter) is None
    assert remover.purge(7.0) == 1
    assert record_of(database, old) is None
    assert [record_of(database, key) is not None for key in (kept_longer, young, "a" * 32)] == [True] * 3


def test_a_purge_goes_on_until_nothing_is_due(database: Database) -> None:
    with history_of(database) as history:
        for number in range(250):
            kept_session(history, number, "a")
        written(history)
    remover = SessionRemover(database, MemoryFiles(), lambda: NOON + timedelta(days=9))
    assert remover.purge(7.0) == 250
    assert rows(database) == [0, 0, 0]
