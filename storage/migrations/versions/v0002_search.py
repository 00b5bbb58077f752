"""Adds the full-text search, and fills it with what is there."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

from storage.history.search_words import search_words

revision = "0002"
down_revision = "0001"

ROWS: Final = 5_000  # Rows that are read at a time, so that memory stays flat.

_UTTERANCES = sa.table(
    "utterances",
    sa.column("id", sa.BigInteger),
    sa.column("text", sa.Text),
    sa.column("search_text", sa.Text),
)

# The table of the search has no text of its own: it reads `utterances`, and triggers tell it what changed.
SQLITE: Final = (
    """
    CREATE VIRTUAL TABLE utterance_search USING fts5(
        search_text, content='utterances', content_rowid='id', tokenize='unicode61 remove_diacritics 0'
    )
    """,
    """
    CREATE TRIGGER utterance_search_insert AFTER INSERT ON utterances BEGIN
        INSERT INTO utterance_search(rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
    """
    CREATE TRIGGER utterance_search_delete AFTER DELETE ON utterances BEGIN
        INSERT INTO utterance_search(utterance_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
    END
    """,
    """
    CREATE TRIGGER utterance_search_update AFTER UPDATE OF search_text ON utterances BEGIN
        INSERT INTO utterance_search(utterance_search, rowid, search_text)
        VALUES ('delete', old.id, old.search_text);
        INSERT INTO utterance_search(rowid, search_text) VALUES (new.id, new.search_text);
    END
    """,
    "INSERT INTO utterance_search(utterance_search) VALUES ('rebuild')",
)
POSTGRESQL: Final = (
    """
    ALTER TABLE utterances ADD COLUMN search_index tsvector
    GENERATED ALWAYS AS (to_tsvector('simple', search_text)) STORED
    """,
    "CREATE INDEX ix_utterances_search ON utterances USING gin (search_index)",
)


def upgrade() -> None:
    """Add it."""
    op.add_column("utterances", sa.Column("search_text", sa.Text, nullable=False, server_default=""))
    connection = op.get_bind()
    last = -1
    while found := _texts_after(connection, last):
        connection.execute(
            sa.update(_UTTERANCES)
            .where(_UTTERANCES.c.id == sa.bindparam("key"))
            .values(search_text=sa.bindparam("words")),
            [{"key": key, "words": " ".join(search_words(text))} for key, text in found],
        )
        last = found[-1][0]
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)


def _texts_after(connection: sa.Connection, last: int) -> Sequence[tuple[int, str]]:
    table = _UTTERANCES.c
    query = sa.select(table.id, table.text).where(table.id > last).order_by(table.id).limit(ROWS)
    return [(key, text) for key, text in connection.execute(query)]
