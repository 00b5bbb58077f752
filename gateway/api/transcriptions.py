"""Answers `POST /v1/audio/transcriptions`: a file becomes a job, and the answer its transcript.

The job belongs to the server once it is made: a client that loses its connection and sends the same file
again gets the transcript of the same job.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dalston_realtime.protocol.jobs import ENDED, BatchJob
from gateway.api.jobs import AWAY, TRANSCRIPTIONS, job_reply, read_job
from gateway.api.operation import operation
from gateway.api.transcription_form import NOT_DONE, TranscriptionForm, TranscriptionRequest, read_form
from gateway.api.transcription_formats import format_transcript, stream_events
from gateway.api.upload import BLOCK, UploadedForm, uploaded_form
from gateway.http import Reply, error_reply, unavailable_reply
from runtime.logs import get_logger
from storage.jobs.creating import digest_job_id, new_job_id
from storage.jobs.files import create_file, input_key
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore
from storage.tables import LOCAL

log = get_logger(__name__)

POLL_S: Final = 0.25  # Seconds between two looks at a job that somebody waits for.
PULSE_S: Final = 5.0  # Seconds between two signs of life in a stream.
RETRY_AFTER_S: Final = 5.0  # Seconds until a client that waited in vain may ask again.


class TranscriptionApi:
    """The endpoint for files."""

    def __init__(self, jobs: JobStore, store: RecordingStore, max_bytes: int, longest_wait: float) -> None:
        """Take bodies of up to `max_bytes`, and let clients wait `longest_wait` seconds for a transcript."""
        self._jobs, self._store = jobs, store
        self._max_bytes, self._longest_wait = max_bytes, longest_wait

    @operation(
        "POST",
        TRANSCRIPTIONS,
        media="*/*",
        form=TranscriptionForm,
        statuses={200: "the transcript, in the format that was asked for", 202: "the job, where async=true"},
        errors={
            400: "a field has a bad value, which `param` names",
            410: "the job was cancelled",
            413: "the file is too large",
            422: "the file has no audio that can be transcribed",
            503: f"{AWAY}, or the transcript is not ready in time",
        },
    )
    async def transcribe(self, request: Request) -> Response:
        """Transcribe a file."""
        async with uploaded_form(request, self._max_bytes) as form:
            asked = read_form(form.fields)
            job = await asyncio.to_thread(self._make_job, form, asked)
        if asked.ignored:
            log.info("fields of a form change nothing", job=job.job_id, fields=asked.ignored)
        if not asked.wait:
            return job_reply(job, 202)
        if asked.stream:
            events = self._stream(job, asked)
            headers = {"Cache-Control": "no-store", **_ignored(asked)}
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        reply = _answer(await self._wait(job), asked)
        reply.headers.update(_ignored(asked))
        return reply

    def _make_job(self, form: UploadedForm, asked: TranscriptionRequest) -> BatchJob:
        """The job of this file, which is the one of before where the same is sent again meanwhile."""
        said = msgspec.json.encode([form.digest(), asked.options])
        job_id = digest_job_id(said)
        job = self._jobs.read(LOCAL, job_id)
        if job is None or job.status in ENDED:
            job_id = new_job_id() if job else job_id
            key = input_key(job_id, form.suffix)
            with create_file(self._store, key) as copy:
                shutil.copyfileobj(form.file, copy, BLOCK)
            self._jobs.create(LOCAL, asked.options, input_key=key, job_id=job_id)
            job = self._jobs.read(LOCAL, job_id)
        assert job is not None
        return job

    async def _looks(self, job: BatchJob) -> AsyncIterator[BatchJob]:
        """The job as it is from time to time; at last once it has ended, or after the longest wait."""
        until = time.monotonic() + self._longest_wait
        yield job
        while job.status not in ENDED and time.monotonic() < until:
            await asyncio.sleep(POLL_S)
            found: BatchJob | None = await asyncio.to_thread(read_job, self._jobs, LOCAL, job.job_id)
            job = found or job
            yield job

    async def _wait(self, job: BatchJob) -> BatchJob:
        """The job as it is at last."""
        async for look in self._looks(job):
            job = look
        return job

    async def _stream(self, job: BatchJob, asked: TranscriptionRequest) -> AsyncIterator[bytes]:
        """The events of a stream; comments show that the server works on it."""
        told = 0.0
        async for look in self._looks(job):
            job = look
            if job.status not in ENDED and time.monotonic() >= told + PULSE_S:
                told = time.monotonic()
                yield f": {job.stage or job.status} {job.percent:.0f} %\n\n".encode()
        if job.result is None:
            yield _sse(bytes(_trouble(job).body))
            return
        for event in stream_events(job.result, speakers=asked.response_format == "diarized_json"):
            yield _sse(msgspec.json.encode(event))
        yield _sse(b"[DONE]")


def _ignored(asked: TranscriptionRequest) -> dict[str, str]:
    """The header that names what a client of OpenAI asks for and nobody does."""
    names = [name for name in asked.ignored if name.partition("[")[0] in NOT_DONE]
    return {"X-Ignored": ",".join(names)} if names else {}


def _sse(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _answer(job: BatchJob, asked: TranscriptionRequest) -> Response:
    if job.result is None:
        return _trouble(job)
    diarized = next((each for each in job.stages if each.name == "diarize"), None)
    if asked.response_format == "diarized_json" and (diarized is None or diarized.status != "done"):
        why = (diarized and diarized.reason) or "the stage diarize did not run"
        text = f"speakers can't be told apart here: {why}"
        return error_reply(400, "no_speakers", text, param="response_format")
    body, media_type = format_transcript(job.result, asked.response_format, asked.granularities)
    return Response(body, media_type=media_type, headers={"X-Job-Id": job.job_id})


def _trouble(job: BatchJob) -> Reply:
    """The answer for a job without a result."""
    if job.status == "failed":
        text = f"{job.job_id}: {job.reason or 'the transcription failed'}"
        return error_reply(422, "transcription_failed", text)
    if job.status == "cancelled":
        return error_reply(410, "job_cancelled", f"{job.job_id} was cancelled")
    text = f"{job.job_id} is not done yet: ask for it with GET, or send async=true for long files"
    return unavailable_reply("not_ready", text, RETRY_AFTER_S)
