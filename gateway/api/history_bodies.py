"""Defines the bodies of the answers of the session history; what is not known is left out."""

from typing import Annotated, Any

import msgspec

from dalston_realtime.protocol.events import Word
from storage.tables import Source, Status

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class TextPartBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a text, and whether it was searched."""

    text: str
    hit: bool = False


class HitBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An utterance that was found: its text in parts, those that were searched marked."""

    utterance: int
    channel: int = 0
    start: float | None = None
    end: float | None = None
    parts: list[TextPartBody]


class SessionBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A session that is kept.

    `missing` says what of it could not be kept, `artifacts` the files by their kinds, `speakers` the names
    that speakers were given by their labels. `hits` is there after a search.
    """

    session_id: str
    status: Status
    reason: str | None = None
    title: str | None = None
    model: str | None = None
    variant: str | None = None
    language: str | None = None
    begun_at: Time
    ended_at: Time | None = None
    gateway: str
    workers: list[str] = []
    errors: list[dict[str, str]] = []
    resumes: int
    failovers: int
    lag: float
    audio_seconds: float
    speech_seconds: float
    utterances: int
    words: int
    speakers: dict[str, str] = {}
    artifacts: dict[str, Any] = {}
    missing: dict[str, float] = {}
    metadata: dict[str, Any] = {}
    hits: list[HitBody] = []


class SessionPageBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of sessions, and where the next one begins if there is one."""

    sessions: list[SessionBody]
    next_cursor: str | None = None


class UtteranceBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An utterance, with its words where the model has them; `speaker_name` is the name that it was given."""

    utterance: int
    channel: int = 0
    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    speaker_name: str | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] | None = None


class TranscriptBody(msgspec.Struct, frozen=True):
    """What was said in a session."""

    session_id: str
    source: Source
    transcript: str
    utterances: list[UtteranceBody]


class DeletedBody(msgspec.Struct, frozen=True):
    """A session that is deleted."""

    session_id: str
    deleted: bool
