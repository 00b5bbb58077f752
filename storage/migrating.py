"""Brings the tables of a database to the version of this code, in one transaction under a lock."""

import logging
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

MIGRATIONS: Final = Path(__file__).with_name("migrations")
LOCK: Final = 0x64616C73746F6E  # The key of PostgreSQL's lock: "dalston".

logging.getLogger("alembic").setLevel(logging.WARNING)  # It tells of every start.


class UnknownSchema(Exception):
    """A later version of this server has made the tables."""


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the tables to `revision`; the transaction of `connection` holds the lock until its end.

    In SQLite the transaction itself is the lock, since it is begun as one that writes.

    Raises:
        UnknownSchema: the tables are of a version that this code does not know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    config = alembic_config(connection)
    scripts = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise UnknownSchema(f"its tables are of version {found}, which this server does not know")
    if found != (scripts.get_current_head() if revision == "head" else revision):
        command.upgrade(config, revision)


def alembic_config(connection: Connection) -> Config:
    """What alembic needs to know; nothing of it is in a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
