"""Answers the calls with which clients of Deepgram and ElevenLabs send whole files."""

import asyncio
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.jobs import BatchJob, EnhancedTranscript, JobOptions, SpokenWord
from gateway.api.file_jobs import FileJobs, trouble_reply
from gateway.api.jobs import AWAY
from gateway.api.operation import operation
from gateway.api.transcription_form import FLAGS, check_options
from gateway.api.upload import UploadedForm, uploaded_body, uploaded_form
from gateway.auth.principal import Principal
from gateway.http import Reply
from gateway.spoken_words import spoken_text, spoken_word

LISTEN: Final = "/v1/listen"
SPEECH_TO_TEXT: Final = "/v1/speech-to-text"
SCHEMES: Final = ("token", "bearer")
LEAKING: Final = ("redact", "callback", "entity_redaction", "webhook")
"""What is refused, since silence about it would leak or lose something."""

ERRORS: Final = {
    400: "a parameter has a bad value, or asks for what can't be done",
    410: "the job was cancelled",
    413: "the file is too large",
    422: "the file has no audio that can be transcribed",
    503: f"{AWAY}, or the transcript is not ready in time",
}


class SpeechToTextForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form, as it is described; the values are texts, as all of a form are."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    model_id: str | None = None
    language_code: str | None = None
    diarize: bool = False
    num_speakers: int | None = None


def deepgram_key(request: HTTPConnection) -> str | None:
    """The key in `Authorization: Token KEY` or `Bearer KEY`."""
    scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
    return key.strip() or None if scheme.lower() in SCHEMES else None


def elevenlabs_key(request: HTTPConnection) -> str | None:
    """The key in `xi-api-key`."""
    return request.headers.get("xi-api-key")


class VendorFileApi:
    """The endpoints for files of other services; bodies have up to `max_bytes`."""

    def __init__(self, files: FileJobs, max_bytes: int) -> None:
        self._files, self._max_bytes = files, max_bytes

    @operation("POST", LISTEN, scope="transcribe", credential=deepgram_key, media="*/*", errors=ERRORS)
    async def listen(self, principal: Principal, request: Request) -> Response:
        """Transcribe a file, as Deepgram does."""
        query = dict(request.query_params)
        _refuse_leaks(query)
        if request.headers.get("content-type", "").lower().startswith("application/json"):
            raise InvalidParameter("url", "a URL is not fetched: send the file as the body")
        options = _options(query.get("language"), diarize=_flag(query, "diarize"))
        written = _flag(query, "punctuate") or _flag(query, "smart_format")
        async with uploaded_body(request, self._max_bytes) as form:
            job = await self._transcribe(principal, form, options)
        if job.result is None:
            return trouble_reply(job)
        return Reply(deepgram_transcript(job.result, written=written), headers={"dg-request-id": job.job_id})

    @operation(
        "POST",
        SPEECH_TO_TEXT,
        scope="transcribe",
        credential=elevenlabs_key,
        media="*/*",
        form=SpeechToTextForm,
        errors=ERRORS,
    )
    async def speech_to_text(self, principal: Principal, request: Request) -> Response:
        """Transcribe a file, as ElevenLabs does."""
        async with uploaded_form(request, self._max_bytes) as form:
            fields = dict(form.fields)
            _refuse_leaks(fields)
            options = _options(
                fields.get("language_code"),
                diarize=_flag(fields, "diarize"),
                speakers=fields.get("num_speakers"),
            )
            job = await self._transcribe(principal, form, options)
        return trouble_reply(job) if job.result is None else Reply(elevenlabs_transcript(job.result))

    async def _transcribe(self, principal: Principal, form: UploadedForm, options: JobOptions) -> BatchJob:
        job = await asyncio.to_thread(self._files.make, principal.id, form, options)
        return await self._files.wait(principal.id, job)


def _options(language: str | None, *, diarize: bool, speakers: str | None = None) -> JobOptions:
    """The models of other services are none of ours, so the server's own hears the file.

    Raises:
        InvalidParameter: a value is bad.
    """
    if speakers and not (speakers.isascii() and speakers.isdigit() and len(speakers) < 3):
        raise InvalidParameter("num_speakers", f"num_speakers must be a whole number, not {speakers[:40]!r}")
    return check_options(
        JobOptions(
            language=None if language == "multi" else language,
            diarize=diarize,
            speakers=int(speakers) if speakers else None,
            cleanup=False,
            emotions=False,
        )
    )


def _flag(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "false").lower()
    if text not in FLAGS:
        raise InvalidParameter(name, f"{name} must be true or false, not {text[:40]!r}")
    return FLAGS[text]


def _refuse_leaks(names: Mapping[str, str]) -> None:
    for name in LEAKING:
        if names.get(name, "false").lower() not in ("false", "0", ""):
            raise InvalidParameter(name, f"{name} is not supported: it would leak or lose something")


def deepgram_transcript(result: EnhancedTranscript, *, written: bool) -> dict[str, Any]:
    """Deepgram's answer for a file; `written` leaves case and punctuation in the text."""
    speakers = [speaker.id for speaker in result.speakers]
    words = [found for word in _words(result) if (found := _deepgram_word(word, speakers))]
    best = {
        "transcript": result.text if written else spoken_text(result.text),
        "confidence": 0.0,
        "words": words,
    }
    channel: dict[str, Any] = {"alternatives": [best]}
    if result.language is not None:
        channel["detected_language"] = result.language
    metadata = {"request_id": result.job_id, "duration": round(result.duration, 3), "channels": 1}
    return {"metadata": metadata, "results": {"channels": [channel]}}


def elevenlabs_transcript(result: EnhancedTranscript) -> dict[str, Any]:
    """ElevenLabs' answer for a file."""
    words: list[dict[str, Any]] = []
    for word in _words(result):
        if words:
            words.append({"text": " ", "type": "spacing"})
        logprob = math.log(word.confidence) if word.confidence else None
        about = {"start": word.start, "end": word.end, "speaker_id": word.speaker, "logprob": logprob}
        known = {name: value for name, value in about.items() if value is not None}
        words.append({"text": word.word, "type": "word", **known})
    language = {} if result.language is None else {"language_code": result.language}
    return {"text": result.text, **language, "words": words, "transcription_id": result.job_id}


def _words(result: EnhancedTranscript) -> Iterator[SpokenWord]:
    """All words, each with its speaker."""
    for segment in result.segments:
        for word in segment.words:
            yield msgspec.structs.replace(word, speaker=word.speaker or segment.speaker)


def _deepgram_word(word: SpokenWord, speakers: Collection[str]) -> dict[str, Any] | None:
    if word.start is None or word.end is None or not (spoken := spoken_word(word.word)):
        return None
    found: dict[str, Any] = {
        "word": spoken,
        "start": word.start,
        "end": word.end,
        "confidence": 0.0 if word.confidence is None else word.confidence,
        "punctuated_word": word.word,
    }
    if word.speaker is not None and word.speaker in speakers:
        found["speaker"] = list(speakers).index(word.speaker)
    return found
