"""Answers `POST /v1/audio/transcriptions`: a file becomes a job, and the answer its transcript.

The job belongs to the server once it is made: a client that loses its connection and sends the same file
again gets the transcript of the same job.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dalston_realtime.protocol.jobs import ENDED, BatchJob
from gateway.api.file_jobs import FileJobs, trouble_reply
from gateway.api.jobs import AWAY, TRANSCRIPTIONS, job_reply
from gateway.api.operation import operation
from gateway.api.transcription_form import NOT_DONE, TranscriptionForm, TranscriptionRequest, read_form
from gateway.api.transcription_formats import format_transcript, stream_events
from gateway.api.upload import uploaded_form
from gateway.auth.principal import Principal
from gateway.http import error_reply
from runtime.logs import get_logger

log = get_logger(__name__)

PULSE_S: Final = 5.0  # Seconds between two signs of life in a stream.


class TranscriptionApi:
    """The endpoint for files."""

    def __init__(self, files: FileJobs, max_bytes: int) -> None:
        """Take bodies of up to `max_bytes`."""
        self._files, self._max_bytes = files, max_bytes

    @operation(
        "POST",
        TRANSCRIPTIONS,
        scope="transcribe",
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
    async def transcribe(self, principal: Principal, request: Request) -> Response:
        """Transcribe a file."""
        async with uploaded_form(request, self._max_bytes) as form:
            asked = read_form(form.fields)
            job = await asyncio.to_thread(self._files.make, principal.id, form, asked.options)
        if asked.ignored:
            log.info("fields of a form change nothing", job=job.job_id, fields=asked.ignored)
        if not asked.wait:
            return job_reply(job, 202)
        if asked.stream:
            events = self._stream(principal.id, job, asked)
            headers = {"Cache-Control": "no-store", **ignored_header(asked)}
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        reply = _answer(await self._files.wait(principal.id, job), asked)
        reply.headers.update(ignored_header(asked))
        return reply

    async def _stream(self, owner: str, job: BatchJob, asked: TranscriptionRequest) -> AsyncIterator[bytes]:
        """The events of a stream; comments show that the server works on it."""
        told = 0.0
        async for look in self._files.looks(owner, job):
            job = look
            if job.status not in ENDED and time.monotonic() >= told + PULSE_S:
                told = time.monotonic()
                yield f": {job.stage or job.status} {job.percent:.0f} %\n\n".encode()
        if job.result is None:
            yield _sse(bytes(trouble_reply(job).body))
            return
        for event in stream_events(job.result, speakers=asked.response_format == "diarized_json"):
            yield _sse(msgspec.json.encode(event))
        yield _sse(b"[DONE]")


def ignored_header(asked: TranscriptionRequest) -> dict[str, str]:
    """The header that names what a client of OpenAI asks for and nobody does."""
    asked_for = {name.partition("[")[0] for name in asked.ignored}
    names = [name for name in NOT_DONE if name in asked_for]
    return {"X-Ignored": ",".join(names)} if names else {}


def _sse(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _answer(job: BatchJob, asked: TranscriptionRequest) -> Response:
    if job.result is None:
        return trouble_reply(job)
    diarized = next((each for each in job.stages if each.name == "diarize"), None)
    if asked.response_format == "diarized_json" and (diarized is None or diarized.status != "done"):
        why = (diarized and diarized.reason) or "the stage diarize did not run"
        text = f"speakers can't be told apart here: {why}"
        return error_reply(400, "no_speakers", text, param="response_format")
    body, media_type = format_transcript(job.result, asked.response_format, asked.granularities)
    return Response(body, media_type=media_type, headers={"X-Job-Id": job.job_id})
