"""The tables that the migrations make are those of the code, whatever was there before."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, text

import storage.api_keys.tables
import storage.jobs.tables  # noqa: F401 - their tables are among those of Base
from storage.database import Database, DatabaseUnavailable
from storage.migrating import migrate
from storage.tables import Base

SESSION = """
    INSERT INTO sessions (id, principal, status, begun_at, heartbeat_at, gateway, audio_seconds,
        speech_seconds, utterances, words, workers, errors, resumes, failovers, lag, metadata, speakers,
        artifacts, missing)
    VALUES ('a', 'local', 'ended', '2026-01-02 03:04:05', '2026-01-02 03:04:05', '', 2.0, 1.0, 1, 2, '[]',
        '[]', 0, 0, 0.0, '{}', '{}', '{}', '{}')
"""
UTTERANCE = """
    INSERT INTO utterances (id, source, channel, number, text, word_count)
    VALUES (16777217, 'live', 0, 1, 'Grüße aus Köln', 3)
"""


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


def differences(connection: Connection) -> list[Any]:
    """What the tables have otherwise than the code; the search has a table and a column of its own."""

    def is_ours(_object: Any, name: str | None, kind: str, *_more: Any) -> bool:
        searched = (name or "").startswith(("utterance_search", "ix_utterances_search"))
        return not searched and not (kind == "column" and name == "search_index")

    options = {"include_object": is_ours, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


def test_the_tables_are_those_of_the_code(empty_database: Database) -> None:
    empty_database.migrate()
    with empty_database.reading() as connection:
        assert differences(connection) == []


def test_a_second_start_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0004"]


def test_what_the_version_before_kept_is_found_by_its_words(database_url: str) -> None:
    with engine_of(database_url) as engine, engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(text(SESSION))
        connection.execute(text(UTTERANCE))
    database = Database(database_url)
    database.migrate()
    with database.reading() as connection:
        assert connection.execute(text("SELECT id, search_text FROM utterances")).all() == [
            (16777217, "gruße aus koln".replace("ß", "ss"))
        ]
        query = (
            "SELECT rowid FROM utterance_search WHERE utterance_search MATCH '\"koln\"'"
            if database.is_sqlite
            else "SELECT id FROM utterances WHERE search_index @@ to_tsquery('simple', 'koln')"
        )
        assert connection.execute(text(query)).scalars().all() == [16777217]
    database.close()


def test_processes_that_start_at_once_make_the_tables_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    failures: list[BaseException] = []

    def start(database: Database) -> None:
        try:
            database.migrate()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=start, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for database in databases:
        database.close()
    assert failures == []


def test_a_start_waits_while_another_one_turns_the_file_to_wal(tmp_path: Path) -> None:
    """SQLite does not wait by itself then: it says at once that the file is locked."""
    path = tmp_path / "history.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ("ROLLBACK",))
    release.start()
    database = Database(f"sqlite:///{path}")
    database.migrate()
    release.join()
    other.close()
    with database.reading() as connection:
        assert differences(connection) == []
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    database.close()


def test_a_start_takes_away_no_lock_that_this_process_has(tmp_path: Path) -> None:
    """Whoever closes a file loses all locks of the process on it; without SQLite's, others delete its log."""
    path = tmp_path / "history.db"
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute("PRAGMA journal_mode=WAL").close()
    mine.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    mine.execute("INSERT INTO alembic_version VALUES ('9999')")
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable, match="version 9999"):
        database.migrate()
    read = (
        f"import sqlite3; sqlite3.connect({str(path)!r}).execute('SELECT * FROM alembic_version').fetchall()"
    )
    subprocess.run((sys.executable, "-c", read), check=True, timeout=30)
    assert path.with_name("history.db-wal").stat().st_size > 0
    mine.close()
    database.close()


def test_tables_of_a_later_version_are_left_alone(database: Database) -> None:
    with database.writing() as unit:
        unit.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnavailable, match="version 9999, which this server does not know"):
        database.migrate()


def test_a_database_without_tables_is_not_there_yet(empty_database: Database) -> None:
    with pytest.raises(DatabaseUnavailable), empty_database.reading() as connection:
        connection.execute(text("SELECT * FROM sessions"))


def test_a_database_that_is_none_is_said_in_one_line(tmp_path: Any) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"no database at all " * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable, match="file is not a database"):
        database.migrate()
    database.close()


def test_the_file_is_for_its_user_alone(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'history.db'}")
    database.migrate()
    database.close()
    assert (tmp_path / "deep" / "history.db").stat().st_mode & 0o077 == 0
