"""Gives tests a database of the history: SQLite in a folder, and PostgreSQL where a server is installed."""

import grp
import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from sqlalchemy import create_engine, text

from storage.database import Database
from tests.support.managed_process import ManagedProcess

USER: Final = "postgres"  # PostgreSQL refuses to run as root.
OPTIONS: Final = ("-F", "-c", "listen_addresses=", "-c", "max_connections=60", "-c", "shared_buffers=64MB")


def postgresql_folder() -> Path | None:
    """Where the programs of PostgreSQL's server lie, if it is installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = shutil.which("postgres")
    return folders[-1].parent if folders else Path(found).parent if found else None


def _as_user() -> tuple[str, ...]:
    """What a command begins with where the tests run as root."""
    if os.getuid() != 0:
        return ()
    return ("setpriv", f"--reuid={USER}", f"--regid={grp.getgrnam(USER).gr_name}", "--clear-groups")


class PostgresServer:
    """A server on a socket in a folder; a test may stop and start it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._programs = folder, programs
        self._process: ManagedProcess | None = None
        if os.getuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
        command: tuple[str | Path, ...] = (
            *_as_user(),
            programs / "initdb",
            "-A",
            "trust",
            "-U",
            USER,
            "-E",
            "UTF8",
            "--no-sync",
        )
        subprocess.run((*command, folder / "data"), check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Start, and wait until it answers."""
        command: tuple[str | Path, ...] = (
            *_as_user(),
            self._programs / "postgres",
            "-D",
            self.folder / "data",
        )
        self._process = ManagedProcess(*command, "-k", self.folder, *OPTIONS, cwd=self.folder)
        self._process.line("ready to accept connections")

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def start_again(self) -> None:
        """Start after a crash."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.start()

    def url(self, database: str = USER) -> str:
        """The URL of one of its databases, as a user would set it."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def driver_url(self, database: str = USER) -> str:
        """The same for SQLAlchemy."""
        return self.url(database).replace("postgresql", "postgresql+psycopg", 1)

    def new_database(self) -> str:
        """The name of a database that is made now."""
        name = f"t{uuid.uuid4().hex}"
        engine = create_engine(self.driver_url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return name


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server for the duration of a block; the test is skipped where none is installed."""
    programs = postgresql_folder()
    if programs is None:
        pytest.skip("no server of PostgreSQL is installed: apt-get install postgresql")
    with TemporaryDirectory(prefix="dalston-pg-", ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder), programs)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """The server that tests share; each makes a database of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: PostgresServer = request.getfixturevalue("shared_postgres")
    return server.driver_url(server.new_database())


@pytest.fixture
def empty_database(database_url: str) -> Iterator[Database]:
    """A database without tables."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """A database with its tables."""
    empty_database.migrate()
    return empty_database
