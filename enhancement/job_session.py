"""Reads what the stages need of the session whose recording is enhanced."""

from collections.abc import Mapping

import msgspec

from dalston_realtime.protocol.jobs import EnhancedTranscript
from enhancement.stage_work import EarlierUtterance, JobSession, LiveUtterance
from storage.database import Database
from storage.history.reading.history_query import KeptUtterance
from storage.history.reading.history_reader import HistoryReader
from storage.jobs.inside import JobInside
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore
from storage.tables import RECORDING
from storage.times import utc_now


def read_job_session(database: Database, files: RecordingStore, inside: JobInside) -> JobSession | None:
    """The session of a job; None where it has none, or the session is deleted."""
    if inside.session_id is None:
        return None
    reader = HistoryReader(database)
    row = reader.session(inside.principal, inside.session_id)
    if row is None:
        return None
    live, enhanced = (reader.utterances(row["number"], source) for source in ("live", "enhanced"))
    ended = row["ended_at"]
    is_over = row["status"] != "active" and ended is not None
    return JobSession(
        id=inside.session_id,
        over_s=(utc_now() - ended).total_seconds() if is_over else None,
        has_audio=RECORDING in row["artifacts"],
        language=row["language"],
        speakers=row["speakers"],
        given=_given(row["speakers"], _last_result(JobStore(database, files), inside)),
        live=tuple(_live(each) for each in live),
        earlier=tuple(found for each in enhanced if (found := _earlier(each)) is not None),
    )


def _live(row: KeptUtterance) -> LiveUtterance:
    return LiveUtterance(number=row.number, start=row.start, end=row.end, text=row.text, channel=row.channel)


def _earlier(row: KeptUtterance) -> EarlierUtterance | None:
    if row.start is None or row.end is None or row.speaker is None:
        return None
    return EarlierUtterance(start=row.start, end=row.end, speaker=row.speaker)


def _last_result(jobs: JobStore, inside: JobInside) -> EnhancedTranscript | None:
    """The result of the youngest job of the session that is done."""
    for job in jobs.list(inside.principal, session_id=inside.session_id):
        if job.status == "done" and (found := jobs.result(inside.principal, job.job_id)) is not None:
            return msgspec.json.decode(found, type=EnhancedTranscript)
    return None


def _given(speakers: Mapping[str, str], last: EnhancedTranscript | None) -> frozenset[str]:
    """The labels whose names people typed: those that no job gave, or that were typed before it."""
    made = {} if last is None else {s.id: s.name for s in last.speakers if s.name_source != "given"}
    return frozenset(label for label, name in speakers.items() if made.get(label) != name)
