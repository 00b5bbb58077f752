"""Writes changes of sessions into the tables: safe to repeat, and whoever else writes them too."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session as Unit

from storage.history.search_words import search_words
from storage.history.tags import metadata_tags, speaker_tags
from storage.history.writing.changes import MAX_ERRORS, NewSession, NewUtterance, SessionChange
from storage.inserting import insert_missing
from storage.jobs.creating import add_job_of_ended
from storage.tables import SessionRecord, SessionTag, UtteranceRecord, utterance_id

KEYS: Final = 500  # Keys in one statement: databases limit its parameters.


def write_changes(unit: Unit, changes: Sequence[SessionChange]) -> None:
    """Write them; a session that was deleted meanwhile, or never begun, is left out."""
    _insert_sessions(unit, [change.begin for change in changes if change.begin])
    records = _locked(unit, [change.id for change in changes])
    for change in changes:
        if record := records.get(change.id):
            add_utterances(unit, record, change.utterances)
            _apply(record, change)
            if "status" in change.values:
                add_job_of_ended(unit, record)
            if change.begin:
                add_tags(unit, record, metadata_tags(record.labels))


def _insert_sessions(unit: Unit, begun: Sequence[NewSession]) -> None:
    if begun:
        insert_missing(unit, SessionRecord, [_new_row(each) for each in begun], ["id"])


def _new_row(begun: NewSession) -> dict[str, Any]:
    return {
        "id": begun.id,
        "principal": clean(begun.principal, 200),
        "begun_at": begun.begun_at,
        "heartbeat_at": begun.begun_at,
        "metadata": begun.metadata,
        "enhance": begun.enhance,
    }


def _locked(unit: Unit, ids: Sequence[str]) -> dict[str, SessionRecord]:
    """The records, which nobody else changes until the end of the transaction; always in one order."""
    found: dict[str, SessionRecord] = {}
    for some in _slices(sorted(ids)):
        query = select(SessionRecord).where(SessionRecord.id.in_(some)).order_by(SessionRecord.number)
        found |= {record.id: record for record in unit.scalars(query.with_for_update())}
    return found


def _apply(record: SessionRecord, change: SessionChange) -> None:
    if begun := change.begin:
        record.status, record.reason, record.ended_at = "active", None, None
        record.gateway = clean(begun.gateway, 300)
        record.enhance = begun.enhance if begun.enhance is not None else record.enhance
        record.model = _optional(begun.model, 200) or record.model
        record.variant = _optional(begun.variant, 200) or record.variant
        record.language = _optional(begun.language, 16) or record.language
    for name, value in change.values.items():
        setattr(record, name, value)
    record.workers = [*record.workers, *(w for w in change.workers if w not in record.workers)]
    record.errors = [*record.errors, *change.errors][:MAX_ERRORS]
    record.artifacts = record.artifacts | change.artifacts
    if change.missing:
        kinds = record.missing.keys() | change.missing.keys()
        record.missing = {k: record.missing.get(k, 0) + change.missing.get(k, 0) for k in sorted(kinds)}
    record.resumes += change.resumes
    record.failovers += change.failovers
    record.lag = max(record.lag, change.lag)
    if record.ended_at is not None:
        record.ended_at = max(record.ended_at, record.begun_at)  # A clock may go backwards.


def add_utterances(unit: Unit, record: SessionRecord, utterances: Sequence[NewUtterance]) -> None:
    """Add those that nobody has written yet."""
    rows = {row["id"]: row for each in utterances if (row := _utterance_row(record.number, each))}
    for some in _slices(list(rows)):
        known = unit.scalars(select(UtteranceRecord.id).where(UtteranceRecord.id.in_(some)))
        for key in known:
            del rows[key]
    if not rows:
        return
    table: Any = UtteranceRecord.__table__
    unit.execute(table.insert(), list(rows.values()))
    live = [row for row in rows.values() if row["source"] == "live"]
    record.utterances += len(live)
    record.words += sum(row["word_count"] for row in live)
    spoken = {row["speaker"] for row in rows.values() if row["speaker"]}
    add_tags(unit, record, speaker_tags(spoken, record.speakers))


def _utterance_row(session_number: int, new: NewUtterance) -> dict[str, Any] | None:
    text = clean(new.text)
    if not text.strip():
        return None
    return {
        "id": utterance_id(session_number, new.source, new.channel, new.number),
        "source": new.source,
        "channel": new.channel,
        "number": new.number,
        "start_s": new.start,
        "end_s": new.end,
        "text": text,
        "words": new.words,
        "word_count": len(text.split()),
        "speaker": _optional(new.speaker, 100),
        "language": _optional(new.language, 16),
        "confidence": new.confidence,
        "search_text": " ".join(search_words(text)),
    }


def add_tags(unit: Unit, record: SessionRecord, tags: Iterable[tuple[str, str]]) -> None:
    """Have the session found by these names and values."""
    common = {
        "session_number": record.number,
        "principal": record.principal,
        "begun_at": record.begun_at,
    }
    rows = [common | {"name": clean(name, 220), "value": clean(value, 500)} for name, value in tags]
    if rows:
        insert_missing(unit, SessionTag, rows, ["session_number", "name", "value"])


def clean(text: str, most: int | None = None) -> str:
    """The text without what PostgreSQL can't keep, and not longer than its column."""
    return text.replace("\x00", "")[:most]


def _optional(text: str | None, most: int) -> str | None:
    return None if text is None else clean(text, most)


def _slices(keys: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (keys[at : at + KEYS] for at in range(0, len(keys), KEYS))
