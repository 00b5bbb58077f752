"""Makes the tables of sessions, utterances and tags."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _make_sessions()
    _make_utterances()
    _make_tags()


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("number", _BIG, primary_key=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("principal", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64)),
        sa.Column("model", sa.String(200)),
        sa.Column("variant", sa.String(200)),
        sa.Column("language", sa.String(16)),
        sa.Column("begun_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("heartbeat_at", _TIME, nullable=False),
        sa.Column("gateway", sa.String(300), nullable=False),
        sa.Column("audio_seconds", sa.Double, nullable=False),
        sa.Column("speech_seconds", sa.Double, nullable=False),
        sa.Column("utterances", sa.Integer, nullable=False),
        sa.Column("words", sa.Integer, nullable=False),
        sa.Column("workers", sa.JSON, nullable=False),
        sa.Column("errors", sa.JSON, nullable=False),
        sa.Column("resumes", sa.Integer, nullable=False),
        sa.Column("failovers", sa.Integer, nullable=False),
        sa.Column("lag", sa.Double, nullable=False),
        sa.Column("title", sa.String(200)),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("speakers", sa.JSON, nullable=False),
        sa.Column("artifacts", sa.JSON, nullable=False),
        sa.Column("missing", sa.JSON, nullable=False),
        sa.Column("keep_until", _TIME),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_begun", "sessions", ["principal", "begun_at", "number"])
    op.create_index("ix_sessions_status", "sessions", ["status", "principal", "begun_at", "number"])
    op.create_index("ix_sessions_ended", "sessions", ["ended_at"])


def _make_utterances() -> None:
    op.create_table(
        "utterances",
        sa.Column("id", _BIG, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("channel", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("start_s", sa.Double),
        sa.Column("end_s", sa.Double),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("words", sa.Text),
        sa.Column("word_count", sa.Integer, nullable=False),
        sa.Column("speaker", sa.String(100)),
        sa.Column("language", sa.String(16)),
        sa.Column("confidence", sa.Double),
    )


def _make_tags() -> None:
    op.create_table(
        "session_tags",
        sa.Column("session_number", _BIG, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(220), primary_key=True),
        sa.Column("value", sa.String(500), primary_key=True),
        sa.Column("principal", sa.String(200), nullable=False),
        sa.Column("begun_at", _TIME, nullable=False),
    )
    columns = ["principal", "name", "value", "begun_at", "session_number"]
    op.create_index("ix_tags_value", "session_tags", columns)
