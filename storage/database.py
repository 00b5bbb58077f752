"""Opens the database of the history: the embedded SQLite, or PostgreSQL.

All calls block, so they belong into threads. One connection writes; several read.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session as Unit

from runtime.errors import StartupError
from storage.migrating import UnknownSchema, migrate

READERS: Final = 4  # Connections that read at once.
BUSY_S: Final = 2.0  # Seconds for which a write waits for another process that writes.
MIGRATE_S: Final = 60.0  # Seconds for which a start waits for another process that makes SQLite's tables.
TRY_AGAIN_S: Final = 0.05  # Seconds between two tries to make them.
CONNECT_S: Final = 3  # Seconds to connect to PostgreSQL.
STATEMENT_S: Final = 15  # Seconds for one statement of PostgreSQL; a search of a page takes milliseconds.
NO_TABLES: Final = ("42P01", "42703")  # PostgreSQL's codes of a table and of a column that are not there.
SILENT_S: Final = 10  # Seconds without an answer from PostgreSQL's machine until the connection is lost.


class DatabaseUnavailable(Exception):
    """The database is away, locked, full or of another version; the message says which."""


class Database:
    """The engines of one database."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet.

        Raises:
            StartupError: the driver of PostgreSQL is not installed.
        """
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        try:
            self._writer = self._make_engine(pool_size=1, writes=True)
            self._reader = self._make_engine(pool_size=READERS, writes=False)
        except (ImportError, NoSuchModuleError):
            text = "PostgreSQL needs psycopg: pip install 'dalston-realtime[postgres]'"
            raise StartupError(text) from None

    def _make_engine(self, pool_size: int, *, writes: bool) -> Engine:
        arguments: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": STATEMENT_S}
        if not self.is_sqlite:
            return create_engine(
                self.url, pool_pre_ping=True, connect_args=_postgresql_options(), **arguments
            )
        engine = create_engine(
            self.url, connect_args={"timeout": BUSY_S, "check_same_thread": False}, **arguments
        )
        event.listen(engine, "connect", _set_up_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"  # A write waits for its turn at once, not midway.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine

    def migrate(self) -> None:
        """Bring the tables to this version; of several processes one does it, and the others wait.

        Raises:
            DatabaseUnavailable: it is away, or a later version has made it.
        """
        with _as_unavailable():
            if self.is_sqlite and self.url.database:
                _make_private(Path(self.url.database))
            give_up = time.monotonic() + MIGRATE_S
            while not self._try_migrate(give_up):
                time.sleep(TRY_AGAIN_S)

    def _try_migrate(self, give_up: float) -> bool:
        """Migrate; false where SQLite is locked, and the moment to give up is not there yet.

        SQLite does not wait while another connection turns a fresh file to WAL: it says at once that the file
        is locked. And a migration may take longer than `BUSY_S`.
        """
        try:
            with self._writer.begin() as connection:
                migrate(connection)
        except OperationalError as error:
            if not _is_locked(error) or time.monotonic() > give_up:
                raise
            return False
        return True

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        """A transaction that may write; committed at the end of the block.

        Raises:
            DatabaseUnavailable: it is away, locked or full; nothing was written.
        """
        with _as_unavailable(), Unit(self._writer, expire_on_commit=False) as unit, unit.begin():
            yield unit

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads.

        Raises:
            DatabaseUnavailable: it is away.
        """
        with _as_unavailable(), self._reader.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self._writer.dispose()
        self._reader.dispose()


@contextmanager
def _as_unavailable() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) not in NO_TABLES:
            raise
        raise DatabaseUnavailable("its tables are not made yet") from error
    except (DataError, IntegrityError):
        raise  # Not the database is at fault, but what it was given.
    except DBAPIError as error:
        raise DatabaseUnavailable(" ".join(str(error.orig).split())) from error
    except PoolTimeout:
        raise DatabaseUnavailable("all connections are in use") from None
    except UnknownSchema as error:
        raise DatabaseUnavailable(str(error)) from None
    except OSError as error:
        raise DatabaseUnavailable(f"{error.filename}: {error.strerror}") from None


def _is_locked(error: OperationalError) -> bool:
    """Whether another connection to SQLite is in the way."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # What is above says more of the same error.
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _postgresql_options() -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_S,
        "tcp_user_timeout": SILENT_S * 1_000,
        # Statements are short, and to compile one takes longer than to run it.
        "options": f"-c statement_timeout={STATEMENT_S}s -c timezone=UTC -c jit=off",
        "application_name": "dalston-realtime",
    }


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """Leave transactions to SQLAlchemy, and let readers read while somebody writes."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-16000", "mmap_size=268435456"):
        connection.execute(f"PRAGMA {pragma}").close()


def _make_private(path: Path) -> None:
    """Make the file, where there is none, so that only this user may read it.

    A database is never opened here: to close it would take away the locks that SQLite has in this process.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, empty = mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        with suppress(FileExistsError):  # Another process was faster.
            os.link(empty, path)
    finally:
        os.unlink(empty)
