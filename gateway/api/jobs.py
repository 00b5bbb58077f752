"""Answers requests for the jobs of the batch pipeline: how far one is, its result, and its end."""

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.jobs import EnhancedTranscript, Job
from gateway.api.history import SESSIONS
from gateway.api.history_params import body_of, session_id_of
from gateway.api.job_replies import UnknownJob, answered, job_reply
from gateway.api.transcription_form import read_options
from gateway.http import error_reply
from storage.history_reader import HistoryReader
from storage.jobs.files import JOB_ID
from storage.jobs.store import JobStore
from storage.tables import LOCAL

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"


class JobApi:
    """The endpoints of jobs."""

    def __init__(self, jobs: JobStore, reader: HistoryReader) -> None:
        self._jobs, self._reader = jobs, reader

    def routes(self) -> list[Route]:
        """The paths."""
        one = TRANSCRIPTIONS + "/{job_id}"
        return [
            Route(one, answered(self.job)),
            Route(one, answered(self.cancel), methods=["DELETE"]),
            Route(SESSIONS + "/{session_id}/enhance", answered(self.enhance), methods=["POST"]),
        ]

    async def job(self, request: Request) -> Response:
        """A job: its status, and its result once it is done."""
        job = await asyncio.to_thread(read_job, self._jobs, LOCAL, job_id_of(request))
        if job is None:
            raise UnknownJob
        return job_reply(job)

    async def cancel(self, request: Request) -> Response:
        """End a job that goes on; one that has ended stays as it is."""
        job = await asyncio.to_thread(self._jobs.cancel, LOCAL, job_id_of(request))
        if job is None:
            raise UnknownJob
        return job_reply(job)

    async def enhance(self, request: Request) -> Response:
        """Make a job of the recording of a session that is over; what earlier jobs made stays."""
        session_id = session_id_of(request)
        options = read_options(await body_of(request))
        session = await asyncio.to_thread(self._reader.session, LOCAL, session_id)
        if session is None:
            return error_reply(404, "unknown_session", "no such session is kept")
        if session["status"] == "active":
            return error_reply(409, "session_active", "the session runs; it can be enhanced after its end")
        job_id = await asyncio.to_thread(self._jobs.create, LOCAL, options, session_id=session_id)
        job = await asyncio.to_thread(self._jobs.read, LOCAL, job_id)
        if job is None:
            raise UnknownJob
        return job_reply(job, 202)


def read_job(jobs: JobStore, principal: str, job_id: str) -> Job | None:
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


def job_id_of(request: Request) -> str:
    """The id in the path, before anything is done with it.

    Raises:
        InvalidParameter: it has another form.
    """
    job_id: str = request.path_params["job_id"]
    if JOB_ID.fullmatch(job_id) is None:
        text = f"{job_id[:80]!r} is no job's id: job_ and 32 digits from 0 to f"
        raise InvalidParameter("job_id", text)
    return job_id
