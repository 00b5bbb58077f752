"""Answers requests for the jobs of the batch pipeline: how far one is, its result, and its end."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from dalston_realtime.protocol.jobs import ENDED, BatchJob, EnhancedTranscript, JobOptions
from gateway.api.history import SESSION, UNKNOWN
from gateway.api.history_params import SessionId
from gateway.api.operation import ApiError, operation
from gateway.api.transcription_form import check_options
from gateway.auth.principal import Principal
from gateway.http import Reply
from storage.history.reading.history_reader import HistoryReader
from storage.jobs.files import JOB_ID
from storage.jobs.store import JobStore

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"
JOB: Final = TRANSCRIPTIONS + "/{job_id}"
UNKNOWN_JOB: Final = "there is no such job"
AWAY: Final = "jobs can't be read or written now"
WRITTEN_S: Final = 2.0  # Seconds for which a job is looked for that a session made which ended just now.
LOOK_S: Final = 0.1  # Seconds between two such looks.
RETRY_AFTER_S: Final = 2  # Seconds after which a client may ask for its job again.

JobId = Annotated[
    str,
    Meta(
        pattern=f"^{JOB_ID.pattern}$",
        description="the id of a job",
        extra={"must_be": "a job's id: job_ and 32 digits from 0 to f"},
    ),
]


class JobApi:
    """The endpoints of jobs."""

    def __init__(self, jobs: JobStore, reader: HistoryReader, written: float = WRITTEN_S) -> None:
        """A job that is not there is looked for `written` seconds: its session may not be written yet."""
        self._jobs, self._reader, self._written = jobs, reader, written

    @operation("GET", JOB, scope="transcribe", errors={404: UNKNOWN_JOB, 503: AWAY})
    async def job(self, principal: Principal, job_id: JobId) -> BatchJob | Reply:
        """A job: its status, and its result once it is done."""
        return job_reply(await self._found(partial(read_job, self._jobs, principal.id, job_id)))

    @operation("DELETE", JOB, scope="transcribe", audited="cancel_job", errors={404: UNKNOWN_JOB, 503: AWAY})
    async def cancel(self, principal: Principal, job_id: JobId) -> BatchJob | Reply:
        """End a job that goes on; one that has ended stays as it is."""
        return job_reply(await self._found(partial(self._jobs.cancel, principal.id, job_id)))

    async def _found(self, look: Callable[[], BatchJob | None]) -> BatchJob | None:
        until = time.monotonic() + self._written
        job = await asyncio.to_thread(look)
        while job is None and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)
            job = await asyncio.to_thread(look)
        return job

    @operation(
        "POST",
        SESSION + "/enhance",
        scope="transcribe",
        needs_body=False,
        statuses={202: "the job"},
        errors={404: UNKNOWN, 409: "the session runs", 503: AWAY},
    )
    async def enhance(
        self, principal: Principal, session_id: SessionId, body: JobOptions
    ) -> BatchJob | Reply:
        """Make a job of the recording of a session that is over; what earlier jobs made stays."""
        options = check_options(body)
        session = await asyncio.to_thread(self._reader.session, principal.id, session_id)
        if session is None:
            raise ApiError(404, "unknown_session", UNKNOWN)
        if session["status"] == "active":
            text = "the session runs; it can be enhanced after its end"
            raise ApiError(409, "session_active", text)
        job_id = await asyncio.to_thread(self._jobs.create, principal.id, options, session_id=session_id)
        return job_reply(await asyncio.to_thread(self._jobs.read, principal.id, job_id), 202)


def job_reply(job: BatchJob | None, status: int = 200) -> Reply:
    """The job, and when to ask again where it goes on.

    Raises:
        ApiError: there is none.
    """
    if job is None:
        raise ApiError(404, "unknown_job", UNKNOWN_JOB)
    reply = Reply(job, status)
    if job.status not in ENDED:
        reply.headers["Retry-After"] = str(RETRY_AFTER_S)
    return reply


def read_job(jobs: JobStore, principal: str, job_id: str) -> BatchJob | None:
    """A job with its result, where it is done; None where there is none of this principal. Blocks.

    Raises:
        DatabaseUnavailable: the database is away.
        StorageUnavailable: the store of the recordings is away.
    """
    job = jobs.read(principal, job_id)
    if job is None or job.status != "done":
        return job
    content = jobs.result(principal, job_id)
    result = None if content is None else msgspec.json.decode(content, type=EnhancedTranscript)
    return msgspec.structs.replace(job, result=result)
