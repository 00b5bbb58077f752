"""Makes the bodies of the answers of the session history; what is not known is left out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dalston_realtime.protocol.events import Final, Word
from dalston_realtime.subtitles.formats import finals_as_srt, finals_as_txt, finals_as_vtt
from storage.history.reading.history_query import SearchHit, SessionPage
from storage.history.search_words import highlighted

_PLAIN = (
    "status", "reason", "title", "model", "variant", "language", "gateway", "workers", "errors", "resumes",
    "failovers", "lag", "audio_seconds", "speech_seconds", "utterances", "words", "speakers", "artifacts",
    "missing",
)  # fmt: skip


def describe_page(page: SessionPage, words: Sequence[str]) -> dict[str, Any]:
    """A page of sessions, with the hits of a search."""
    sessions = [describe_session(row) for row in page.sessions]
    for row, session in zip(page.sessions, sessions, strict=True):
        if row["number"] in page.hits:
            session["hits"] = [describe_hit(hit, words) for hit in page.hits[row["number"]]]
    following = {} if page.following is None else {"next_cursor": str(page.following)}
    return {"sessions": sessions} | following


def describe_session(row: Mapping[str, Any]) -> dict[str, Any]:
    """One session."""
    found = {"session_id": row["id"], "begun_at": _iso(row["begun_at"]), "ended_at": _iso(row["ended_at"])}
    found |= {name: row[name] for name in _PLAIN} | {"metadata": row["labels"]}
    return {name: value for name, value in found.items() if value not in (None, {}, [])}


def describe_hit(hit: SearchHit, words: Sequence[str]) -> dict[str, Any]:
    """An utterance that was found: its text in parts, those that were searched marked."""
    parts = [{"text": p.text} | ({"hit": True} if p.is_hit else {}) for p in highlighted(hit.text, words)]
    return _known(utterance=hit.number, start=hit.start, end=hit.end) | {"parts": parts}


def describe_transcript(session: Mapping[str, Any], source: str, rows: Sequence[Any]) -> dict[str, Any]:
    """The transcript of a session."""
    names = session["speakers"]
    return {
        "session_id": session["id"],
        "source": source,
        "transcript": " ".join(row.text for row in rows),
        "utterances": [describe_utterance(row, names) for row in rows],
    }


def describe_utterance(row: Any, names: Mapping[str, str]) -> dict[str, Any]:
    """One utterance; its words are the text that the database has."""
    return _known(
        utterance=row.number,
        channel=row.channel or None,
        text=row.text,
        start=row.start_s,
        end=row.end_s,
        speaker=row.speaker,
        speaker_name=names.get(row.speaker or ""),
        language=row.language,
        confidence=row.confidence,
        words=None if row.words is None else msgspec.Raw(row.words.encode()),
    )


def export_session(
    session: Mapping[str, Any], source: str, rows: Sequence[Any], form: str
) -> tuple[str, str]:
    """The content of a file of this format, and its media type."""
    if form == "json":
        whole = describe_session(session) | describe_transcript(session, source, rows)
        indented = msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
        return indented + "\n", "application/json"
    finals = [_final_of(row, session["speakers"]) for row in rows]
    match form:
        case "srt":
            return finals_as_srt(finals), "application/x-subrip"
        case "vtt":
            return finals_as_vtt(finals) or "WEBVTT\n", "text/vtt"
    return finals_as_txt(finals), "text/plain"


def _final_of(row: Any, names: Mapping[str, str]) -> Final:
    """An utterance as an event; who has a name is named."""
    words = msgspec.json.decode(row.words, type=tuple[Word, ...]) if row.words else None
    name = names.get(row.speaker or "")
    text = f"{name}: {row.text}" if name else row.text
    return Final(text=text, start=row.start_s, end=row.end_s, words=None if name else words)


def _known(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
