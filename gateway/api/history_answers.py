"""Makes the answers of the session history from rows of the database: bodies, and files to download."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import Word
from dalston_realtime.subtitles.formats import finals_as_srt, finals_as_txt, finals_as_vtt
from gateway.api.history_bodies import (
    HitBody,
    SessionBody,
    SessionPageBody,
    TextPartBody,
    TranscriptBody,
    UtteranceBody,
)
from storage.history.reading.history_query import KeptUtterance, SearchHit, SessionPage
from storage.history.search_words import highlighted
from storage.tables import Source

_SAME: Final = (
    "status", "reason", "title", "model", "variant", "language", "gateway", "workers", "errors", "resumes",
    "failovers", "lag", "audio_seconds", "speech_seconds", "utterances", "words", "speakers", "artifacts",
    "missing",
)  # fmt: skip


def describe_page(page: SessionPage, words: Sequence[str]) -> SessionPageBody:
    """A page of sessions, with the hits of a search."""
    sessions = [describe_session(row) for row in page.sessions]
    for row, session in zip(page.sessions, sessions, strict=True):
        session.hits = [describe_hit(hit, words) for hit in page.hits.get(row["number"], ())]
    return SessionPageBody(sessions, None if page.following is None else str(page.following))


def describe_session(row: Mapping[str, Any]) -> SessionBody:
    """One session."""
    return SessionBody(
        session_id=row["id"],
        begun_at=_iso(row["begun_at"]),
        ended_at=None if row["ended_at"] is None else _iso(row["ended_at"]),
        metadata=row["labels"],
        **{name: row[name] for name in _SAME},
    )


def describe_hit(hit: SearchHit, words: Sequence[str]) -> HitBody:
    """An utterance that was found."""
    parts = [TextPartBody(part.text, part.is_hit) for part in highlighted(hit.text, words)]
    return HitBody(utterance=hit.number, channel=hit.channel, start=hit.start, end=hit.end, parts=parts)


def describe_transcript(
    session: Mapping[str, Any], source: Source, rows: Sequence[KeptUtterance]
) -> TranscriptBody:
    """The transcript of a session."""
    names = session["speakers"]
    text = " ".join(row.text for row in rows)
    return TranscriptBody(session["id"], source, text, [describe_utterance(row, names) for row in rows])


def describe_utterance(row: KeptUtterance, names: Mapping[str, str]) -> UtteranceBody:
    """One utterance; its words are the JSON text that the database has."""
    return UtteranceBody(
        utterance=row.number,
        channel=row.channel,
        text=row.text,
        start=row.start,
        end=row.end,
        speaker=row.speaker,
        speaker_name=names.get(row.speaker or ""),
        language=row.language,
        confidence=row.confidence,
        words=None if row.words is None else msgspec.Raw(row.words),  # type: ignore[arg-type]
    )


def export_session(
    session: Mapping[str, Any], source: Source, rows: Sequence[KeptUtterance], form: str
) -> tuple[str, str]:
    """The content of a file of this format, and its media type."""
    if form == "json":
        return _whole(session, source, rows), "application/json"
    apart = any(row.channel for row in rows)
    finals = [_final_of(row, session["speakers"], apart=apart) for row in rows]
    match form:
        case "srt":
            return finals_as_srt(finals), "application/x-subrip"
        case "vtt":
            return finals_as_vtt(finals) or "WEBVTT\n", "text/vtt"
    return finals_as_txt(finals), "text/plain"


def _whole(session: Mapping[str, Any], source: Source, rows: Sequence[KeptUtterance]) -> str:
    """The session and its transcript as one JSON object."""
    bodies = describe_session(session), describe_transcript(session, source, rows)
    whole: dict[str, msgspec.Raw] = {}
    for body in bodies:
        whole |= msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _final_of(row: KeptUtterance, names: Mapping[str, str], *, apart: bool) -> FinalEvent:
    """An utterance as an event; who has a name is named, and else the channel, where channels are `apart`."""
    words = msgspec.json.decode(row.words, type=tuple[Word, ...]) if row.words else None
    name = names.get(row.speaker or "")
    return FinalEvent(
        text=f"{name}: {row.text}" if name else row.text,
        start=row.start,
        end=row.end,
        words=None if name else words,
        channel=row.channel if apart and not name else None,
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
