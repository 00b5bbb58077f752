"""What is said of a session is in its record, whatever the database does meanwhile."""

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.database import Database
from storage.history.writing.changes import NewUtterance
from storage.history.writing.session_history import SessionHistory
from storage.history.writing.write_queue import QueueBounds
from storage.tables import SessionRecord
from tests.support.databases import postgres_server
from tests.support.histories import (
    NOON,
    QUICK,
    WRITTEN_S,
    MovedClock,
    begun,
    history_of,
    kept_session,
    record_of,
    texts_of,
    written,
)

ID = "a" * 32


def saved(database: Database, session_id: str = ID) -> SessionRecord:
    record = record_of(database, session_id)
    assert record is not None
    return record


def test_a_session_is_followed_from_its_begin_to_its_end(database: Database) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        kept = begun(history, ID, model="tiny", variant="fast", language="en", metadata={"customer": "acme"})
        kept.add_worker("w1")
        written(history)
        assert saved(database).status == "active"
        clock.seconds = 5.0
        kept.follow(audio_seconds=4.5, lag=0.25)
        kept.follow(audio_seconds=5.0, lag=0.125)
        kept.add_utterance(NewUtterance(number=1, text="Hello world.", start=0.5, end=1.5, words="[]"))
        kept.add_failover()
        kept.add_worker("w2")
        kept.add_worker("w1")
        kept.add_resume()
        kept.add_error("worker_lost", "the worker was lost")
        history.add_artifact(kept.id, "audio", {"bytes": 3})
        clock.seconds = 6.0
        kept.finish("ended", "normal", audio_seconds=6.0, speech_seconds=1.0)
        written(history)
    record = saved(database)
    assert (record.principal, record.status, record.reason) == ("local", "ended", "normal")
    assert (record.model, record.variant, record.language) == ("tiny", "fast", "en")
    assert (record.begun_at, record.ended_at) == (NOON, clock.now())
    assert (record.audio_seconds, record.speech_seconds, record.lag) == (6.0, 1.0, 0.25)
    assert (record.utterances, record.words, record.resumes, record.failovers) == (1, 2, 1, 1)
    assert (record.workers, record.gateway) == (["w1", "w2"], "g1")
    assert record.errors == [{"code": "worker_lost", "message": "the worker was lost"}]
    assert (record.labels, record.artifacts) == ({"customer": "acme"}, {"audio": {"bytes": 3}})
    assert record.missing == {}
    assert texts_of(database) == ["Hello world."]


def test_a_gateway_that_takes_over_writes_the_same_utterance_once(database: Database) -> None:
    with history_of(database, gateway="g1") as first, history_of(database, gateway="g2") as second:
        kept = begun(first, ID, model="tiny")
        kept.add_utterance(NewUtterance(number=1, text="one"))
        written(first)
        taken = begun(second, ID)
        for number, said in ((1, "one"), (2, "two")):
            taken.add_utterance(NewUtterance(number=number, text=said))
        written(second)
    record = saved(database)
    assert (record.gateway, record.model, record.utterances, record.words) == ("g2", "tiny", 2, 2)
    assert texts_of(database) == ["one", "two"]


def test_a_session_that_the_first_gateway_never_wrote_began_when_its_audio_did(database: Database) -> None:
    with history_of(database) as history:
        assert history.begin(ID, age=90.0) is not None
        written(history)
    assert (NOON - saved(database).begun_at).total_seconds() == 90.0


def test_a_clock_that_goes_backwards_ends_no_session_before_its_begin(database: Database) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        kept = begun(history, ID)
        clock.seconds = -3_600.0
        kept.finish("ended", "normal", audio_seconds=1.0)
        written(history)
    assert saved(database).ended_at == NOON


def test_an_empty_final_is_no_utterance(database: Database) -> None:
    with history_of(database) as history:
        kept_session(history, 1, "", " ", "said")
        written(history)
    assert texts_of(database) == ["said"]


def test_what_postgresql_can_not_keep_is_left_out(database: Database) -> None:
    with history_of(database) as history:
        begun(history, ID, metadata={"x" * 400: "y" * 900, "n\x00": "\x00"}, model="m" * 900).add_utterance(
            NewUtterance(number=1, text="a\x00b")
        )
        written(history)
    assert texts_of(database) == ["ab"]
    assert len(saved(database).model or "") == 200


def test_a_change_that_can_not_be_kept_costs_the_others_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with history_of(database) as history:
        bad = begun(history, ID)
        bad.add_utterance(NewUtterance(number=1, text="bad", start="no number"))  # type: ignore[arg-type]
        other = kept_session(history, 1, "good")
        written(history)
    found = texts_of(database)
    assert "good" in found
    assert saved(database, other).status == "ended"
    if not database.is_sqlite:  # SQLite keeps anything in any column.
        assert found == ["good"]
        assert "can't be kept" in caplog.text


def test_what_is_said_while_sqlite_is_locked_is_written_later(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    with history_of(database) as history:
        written_id = kept_session(history, 1, "before")
        written(history)
        locker = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        later = kept_session(history, 2, "meanwhile")
        assert not history.wait_written(0.05)
        locker.execute("ROLLBACK")
        locker.close()
        written(history)
        assert saved(database, written_id).utterances == 1
        assert saved(database, later).utterances == 1
    database.close()


def test_a_database_that_is_away_at_the_start_comes_later(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    database = Database(f"sqlite:///{tmp_path / 'blocked' / 'history.db'}")
    with history_of(database) as history:
        session_id = kept_session(history, 1, "early")
        assert not history.wait_written(0.05)
        assert history.trouble is not None
        (tmp_path / "blocked").unlink()
        written(history)
        assert history.trouble is None
        assert saved(database, session_id).status == "ended"
    database.close()


def test_postgresql_that_is_away_at_the_start_comes_later() -> None:
    with postgres_server() as server:
        server.stop()
        database = Database(server.driver_url())
        with history_of(database) as history:
            session_id = kept_session(history, 1, "early")
            assert not history.wait_written(0.1)
            assert history.trouble is not None
            server.start_again()
            written(history)
            assert saved(database, session_id).status == "ended"
        database.close()


def test_postgresql_that_is_killed_in_mid_session_gets_the_rest_later() -> None:
    with postgres_server() as server:
        database = Database(server.driver_url())
        with history_of(database) as history:
            kept = begun(history, ID)
            kept.add_utterance(NewUtterance(number=1, text="before"))
            written(history)
            server.stop()
            kept.add_utterance(NewUtterance(number=2, text="meanwhile"))
            kept.follow(audio_seconds=2.0)
            assert not history.wait_written(0.1)
            server.start_again()
            kept.finish("ended", "normal", audio_seconds=3.0)
            written(history)
            assert texts_of(database) == ["before", "meanwhile"]
            assert saved(database).status == "ended"
        database.close()


def test_beyond_the_bound_the_record_says_what_is_missing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    history = SessionHistory(database, "g1", MovedClock().now, QueueBounds(utterances=3, sessions=1), QUICK)
    kept = begun(history, ID)
    for number in range(1, 6):
        kept.add_utterance(NewUtterance(number=number, text=f"w{number}"))
    assert history.begin("b" * 32) is None  # Nothing is written yet, and one session waits.
    history.start()
    written(history)
    assert texts_of(database) == ["w1", "w2", "w3"]
    assert saved(database).missing == {"utterances": 2}
    assert history.close(WRITTEN_S)
    database.close()


def test_the_end_writes_what_waits(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    history = SessionHistory(database, "g1", MovedClock().now, None, QUICK)
    kept_session(history, 1, "last words")
    history.start()
    assert history.close(WRITTEN_S)
    assert texts_of(database) == ["last words"]
    database.close()


def test_the_end_waits_for_no_database_that_is_away(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    database.migrate()
    locker = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    history = SessionHistory(database, "g1", MovedClock().now, None, QUICK)
    kept_session(history, 1, "lost words")
    history.start()
    assert not history.close(0.05)
    locker.close()


def test_many_threads_may_say_something_at_once(database: Database) -> None:
    with history_of(database) as history:
        threads = [threading.Thread(target=kept_session, args=(history, n, "a", "b")) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        written(history)
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*), sum(utterances) FROM sessions")).one() == (20, 40)
