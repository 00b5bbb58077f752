"""Ends a job with its result, and shows that in the history of its session, in one transaction."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Unit

from dalston_realtime.protocol.events import Word
from dalston_realtime.protocol.jobs import EnhancedSegment, EnhancedTranscript
from storage.database import Database
from storage.history.tags import SPEAKER, speaker_tags
from storage.history.writing.changes import NewUtterance
from storage.history.writing.rows import add_tags, add_utterances
from storage.jobs.leases import JobLeases, StageLease
from storage.jobs.tables import JobRecord
from storage.tables import SessionRecord, SessionTag, UtteranceRecord, utterance_ids
from storage.times import utc_now


def complete_enhanced(
    database: Database,
    leases: JobLeases,
    lease: StageLease,
    key: str,
    result: EnhancedTranscript,
    given: Mapping[str, str],
) -> bool:
    """End a job whose result lies under `key`; whether its lease still counted.

    The transcript replaces the enhanced one that the session had, if that is not of a younger job. `given`
    are the names by label that people typed, perhaps while the job ran: they stay.

    Raises:
        DatabaseUnavailable: the database is away, and nothing was written.
    """
    now = utc_now()
    with database.writing() as unit:
        if not leases.complete_in(unit, lease, key, None, now):
            return False
        job = unit.get(JobRecord, lease.job_id)
        record = None if job is None or job.session_id is None else _session(unit, job)
        if job is not None and record is not None and not _has_younger(unit, job):
            _replace(unit, record, result, given)
        return True


def _session(unit: Unit, job: JobRecord) -> SessionRecord | None:
    query = select(SessionRecord).where(
        SessionRecord.id == job.session_id, SessionRecord.principal == job.principal
    )
    return unit.scalar(query.with_for_update())


def _has_younger(unit: Unit, job: JobRecord) -> bool:
    query = select(JobRecord.id).where(
        JobRecord.session_id == job.session_id,
        JobRecord.status == "done",
        JobRecord.created_at > job.created_at,
    )
    return unit.scalar(query.limit(1)) is not None


def _replace(unit: Unit, record: SessionRecord, result: EnhancedTranscript, given: Mapping[str, str]) -> None:
    first, last = utterance_ids(record.number, "enhanced")
    unit.execute(delete(UtteranceRecord).where(UtteranceRecord.id.between(first, last)))
    unit.execute(
        delete(SessionTag).where(SessionTag.session_number == record.number, SessionTag.name == SPEAKER)
    )
    names = {each.id: given.get(each.id, each.name) for each in result.speakers}
    record.speakers = {label: name for label, name in names.items() if name}
    add_utterances(unit, record, [_utterance(segment) for segment in result.segments])
    add_tags(unit, record, speaker_tags((), record.speakers))


def _utterance(segment: EnhancedSegment) -> NewUtterance:
    words = [
        Word(word=each.word, start=each.start, end=each.end, confidence=each.confidence)
        for each in segment.words
        if each.start is not None and each.end is not None
    ]
    return NewUtterance(
        number=segment.id,
        text=segment.text,
        start=segment.start,
        end=segment.end,
        words=msgspec.json.encode(words).decode() if words else None,
        speaker=segment.speaker,
        language=segment.language,
        source="enhanced",
    )
