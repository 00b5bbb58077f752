"""Defines the tables of the session history.

`storage/migrations` makes them in a database; a test compares the two. An utterance's `id` holds the number
of its session in its upper bits, so that the utterances of a session lie together and a search can go from
one session to the next.
"""

from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Index, Integer, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Status: TypeAlias = Literal["active", "ended", "error", "lost"]
"""`active`: it runs; `ended`: as it should; `error`: by a fault; `lost`: its gateway vanished."""

Source: TypeAlias = Literal["live", "enhanced"]
"""Where a transcript comes from: the session itself, or the batch pipeline after it."""

RECORDING: Final = "recording"  # The kind of the artifact that says that a session's audio is joined.
LOCAL: Final = "local"  # The principal of a server without keys.
NUMBER_BITS: Final = 20  # Bits for the number of an utterance in its channel: a million, some days of speech.
CHANNEL_BITS: Final = 3  # Bits for the channel: the protocol has at most eight.
SESSION_SHIFT: Final = NUMBER_BITS + CHANNEL_BITS + 1  # One bit more says whether it is enhanced.

_BIG = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself only in an INTEGER.


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC; SQLite, which has no time zones, keeps it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """As the database wants it."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """With its time zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables have."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcTime(),
        dict[str, Any]: JSON(),
        dict[str, float]: JSON(),
        dict[str, str]: JSON(),
        list[Any]: JSON(),
    }


class SessionRecord(Base):
    """A session that is kept, while it runs and after.

    `missing` says what of it could not be kept: `{"utterances": 3}`. `speakers` are the names that somebody
    gave to the speakers, `artifacts` the files by their kinds. `keep_until` is None where the server's
    setting says how long. `enhance` are the options of the job that its end makes, None where it makes none.
    `heartbeat_at` moves on while a gateway has the session.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_begun", "principal", "begun_at", "number"),
        Index("ix_sessions_status", "status", "principal", "begun_at", "number"),
        Index("ix_sessions_ended", "ended_at"),
        {"sqlite_autoincrement": True},  # The number of a session that was deleted is not given again.
    )

    number: Mapped[int] = mapped_column(_BIG, primary_key=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    principal: Mapped[str] = mapped_column(String(200), default=LOCAL)
    status: Mapped[str] = mapped_column(String(16), default="active")
    reason: Mapped[str | None] = mapped_column(String(64))
    model: Mapped[str | None] = mapped_column(String(200))
    variant: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(16))
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime]
    gateway: Mapped[str] = mapped_column(String(300), default="")
    audio_seconds: Mapped[float] = mapped_column(default=0.0)
    speech_seconds: Mapped[float] = mapped_column(default=0.0)
    utterances: Mapped[int] = mapped_column(default=0)
    words: Mapped[int] = mapped_column(default=0)
    workers: Mapped[list[Any]] = mapped_column(default=list)
    errors: Mapped[list[Any]] = mapped_column(default=list)
    resumes: Mapped[int] = mapped_column(default=0)
    failovers: Mapped[int] = mapped_column(default=0)
    lag: Mapped[float] = mapped_column(default=0.0)
    title: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[dict[str, Any]] = mapped_column("metadata", default=dict)
    speakers: Mapped[dict[str, str]] = mapped_column(default=dict)
    artifacts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    missing: Mapped[dict[str, float]] = mapped_column(default=dict)
    keep_until: Mapped[datetime | None]
    enhance: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class UtteranceRecord(Base):
    """An utterance of a session that is kept; times are seconds on the session's clock.

    `words` is JSON text as the protocol has it, since it is handed out as it is. `search_text` are the words
    by which it is found.
    """

    __tablename__ = "utterances"

    id: Mapped[int] = mapped_column(_BIG, primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(16), default="live")
    channel: Mapped[int] = mapped_column(default=0)
    number: Mapped[int]
    start: Mapped[float | None] = mapped_column("start_s")
    end: Mapped[float | None] = mapped_column("end_s")
    text: Mapped[str] = mapped_column(Text)
    words: Mapped[str | None] = mapped_column(Text)
    word_count: Mapped[int]
    speaker: Mapped[str | None] = mapped_column(String(100))
    language: Mapped[str | None] = mapped_column(String(16))
    confidence: Mapped[float | None]
    search_text: Mapped[str] = mapped_column(Text, default="")


class SessionTag(Base):
    """A name and a value by which sessions are found: one of the metadata, or a speaker.

    It repeats when the session began, so that one index has the sessions of a tag in their order.
    """

    __tablename__ = "session_tags"
    __table_args__ = (Index("ix_tags_value", "principal", "name", "value", "begun_at", "session_number"),)

    session_number: Mapped[int] = mapped_column(_BIG, primary_key=True)
    name: Mapped[str] = mapped_column(String(220), primary_key=True)
    value: Mapped[str] = mapped_column(String(500), primary_key=True)
    principal: Mapped[str] = mapped_column(String(200))
    begun_at: Mapped[datetime]


def utterance_id(session_number: int, source: Source, channel: int, number: int) -> int:
    """The key of an utterance, which is the same for whoever writes it."""
    enhanced = int(source == "enhanced")
    return ((session_number << 1 | enhanced) << CHANNEL_BITS | channel) << NUMBER_BITS | number


def utterance_ids(session_number: int, source: Source | None = None) -> tuple[int, int]:
    """The first and the last key that the utterances of a session can have."""
    if source is None:
        return session_number << SESSION_SHIFT, ((session_number + 1) << SESSION_SHIFT) - 1
    half = session_number << 1 | int(source == "enhanced")
    return half << (SESSION_SHIFT - 1), ((half + 1) << (SESSION_SHIFT - 1)) - 1
