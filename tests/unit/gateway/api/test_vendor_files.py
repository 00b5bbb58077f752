"""Files as clients of Deepgram and ElevenLabs send them: keys, refusals, and the form of the answers."""

import asyncio
from typing import Any, cast

import httpx
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request

from dalston_realtime.protocol.jobs import (
    BatchJob,
    EnhancedSegment,
    EnhancedSpeaker,
    EnhancedTranscript,
    JobOptions,
    SpokenWord,
)
from gateway.api.file_jobs import FileJobs
from gateway.api.operation import routes_of
from gateway.api.upload import UploadedForm
from gateway.api.vendor_files import (
    LISTEN,
    SPEECH_TO_TEXT,
    VendorFileApi,
    deepgram_key,
    elevenlabs_key,
)
from tests.support.auth_parts import open_guard

FORM: dict[str, Any] = {"files": {"file": ("a", b"x")}}
WORDS = (
    SpokenWord(word="“Hello,", start=0.1, end=0.4, confidence=0.5),
    SpokenWord(word="–", start=0.4, end=0.5),
    SpokenWord(word="you.", speaker="B"),
)
RESULT = EnhancedTranscript(
    job_id="j1",
    text="“Hello, you.",
    duration=2.0,
    language="en",
    speakers=(EnhancedSpeaker(id="A"), EnhancedSpeaker(id="B")),
    segments=(EnhancedSegment(id=0, start=0.1, end=1.0, text="“Hello, you.", speaker="A", words=WORDS),),
)


class FinishedFiles:
    """Jobs that are done at once; notes what they were made of."""

    def __init__(self, result: EnhancedTranscript | None = RESULT) -> None:
        self.made: list[tuple[bytes, str, JobOptions]] = []
        self._result = result

    def make(self, _owner: str, form: UploadedForm, options: JobOptions) -> BatchJob:
        """Note it."""
        form.file.seek(0)
        self.made.append((form.file.read(), form.suffix, options))
        job = BatchJob(job_id="j1", status="failed", percent=100, created="now")
        return replace(job, status="done", result=self._result) if self._result else job

    async def wait(self, _owner: str, job: BatchJob) -> BatchJob:
        """It is done."""
        return job


def call(jobs: FinishedFiles, path: str, **more: Any) -> httpx.Response:
    """One call, without a socket."""
    app = Starlette(routes=[*routes_of(VendorFileApi(cast(FileJobs, jobs), 10_000), open_guard())])

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.post(path, **more)

    return asyncio.run(ask())


def test_deepgrams_answer_for_a_file() -> None:
    files = FinishedFiles()
    headers = {"content-type": "audio/x-wav", "authorization": "Token K"}
    answer = call(files, f"{LISTEN}?language=en-US&model=nova-3", content=b"RIFF", headers=headers)
    assert answer.json() == {
        "metadata": {"request_id": "j1", "duration": 2.0, "channels": 1},
        "results": {
            "channels": [
                {
                    "alternatives": [
                        {
                            "transcript": "hello you",
                            "confidence": 0.0,
                            "words": [
                                {
                                    "word": "hello",
                                    "start": 0.1,
                                    "end": 0.4,
                                    "confidence": 0.5,
                                    "punctuated_word": "“Hello,",
                                    "speaker": 0,
                                }
                            ],
                        }
                    ],
                    "detected_language": "en",
                }
            ]
        },
    }
    assert files.made[0][:2] == (b"RIFF", ".wav")
    assert (files.made[0][2].language, files.made[0][2].diarize) == ("en", False)


def test_deepgrams_written_text_and_speakers_are_asked_for() -> None:
    files = FinishedFiles()
    answer = call(files, f"{LISTEN}?smart_format=true&diarize=true&language=multi", content=b"x")
    assert answer.json()["results"]["channels"][0]["alternatives"][0]["transcript"] == RESULT.text
    assert (files.made[0][2].language, files.made[0][2].diarize) == (None, True)


def test_elevenlabs_answer_for_a_file() -> None:
    files = FinishedFiles()
    form = {"model_id": "scribe_v1", "language_code": "en", "num_speakers": "2", "diarize": "true"}
    answer = call(files, SPEECH_TO_TEXT, files={"file": ("a.mp3", b"ID3")}, data=form)
    assert answer.json() == {
        "text": "“Hello, you.",
        "language_code": "en",
        "words": [
            {
                "text": "“Hello,",
                "type": "word",
                "start": 0.1,
                "end": 0.4,
                "speaker_id": "A",
                "logprob": pytest.approx(-0.693, abs=0.001),
            },
            {"text": " ", "type": "spacing"},
            {"text": "–", "type": "word", "start": 0.4, "end": 0.5, "speaker_id": "A"},
            {"text": " ", "type": "spacing"},
            {"text": "you.", "type": "word", "speaker_id": "B"},
        ],
        "transcription_id": "j1",
    }
    assert (files.made[0][1], files.made[0][2].speakers, files.made[0][2].diarize) == (".mp3", 2, True)


@pytest.mark.parametrize(
    ("path", "more", "status", "param"),
    [
        (f"{LISTEN}?redact=pci", {"content": b"x"}, 400, "redact"),
        (f"{LISTEN}?callback=https://example.org", {"content": b"x"}, 400, "callback"),
        (f"{LISTEN}?punctuate=maybe", {"content": b"x"}, 400, "punctuate"),
        (f"{LISTEN}?language=e", {"content": b"x"}, 400, "language"),
        (LISTEN, {"json": {"url": "https://example.org/a.wav"}}, 400, "url"),
        (LISTEN, {"content": b""}, 400, "body"),
        (LISTEN, {"content": bytes(10_001)}, 413, None),
        (SPEECH_TO_TEXT, {"content": b"x"}, 400, "body"),
        (SPEECH_TO_TEXT, FORM | {"data": {"webhook": "true"}}, 400, "webhook"),
        (SPEECH_TO_TEXT, FORM | {"data": {"num_speakers": "x"}}, 400, "num_speakers"),
    ],
)
def test_what_cannot_be_done_makes_no_job(path: str, more: Any, status: int, param: str | None) -> None:
    files = FinishedFiles()
    answer = call(files, path, **more)
    assert (answer.status_code, answer.json()["error"].get("param")) == (status, param)
    assert files.made == []


@pytest.mark.parametrize(("path", "more"), [(LISTEN, {"content": b"x"}), (SPEECH_TO_TEXT, FORM)])
def test_a_file_without_audio_is_said(path: str, more: Any) -> None:
    assert call(FinishedFiles(None), path, **more).status_code == 422


@pytest.mark.parametrize(
    ("header", "deepgram", "elevenlabs"),
    [
        (("authorization", "Token K"), "K", None),
        (("authorization", "bearer K"), "K", None),
        (("authorization", "Basic K"), None, None),
        (("xi-api-key", "K"), None, "K"),
        (("accept", "*/*"), None, None),
    ],
)
def test_where_the_key_is(header: tuple[str, str], deepgram: str | None, elevenlabs: str | None) -> None:
    name, value = header
    request = Request({"type": "http", "headers": [(name.encode(), value.encode())]})
    assert (deepgram_key(request), elevenlabs_key(request)) == (deepgram, elevenlabs)
