"""Files become jobs, jobs are asked for and ended, and their transcript is the answer."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from dalston_realtime.protocol.jobs import BatchJob, EnhancedSegment, EnhancedTranscript
from gateway.api.file_jobs import FileJobs
from gateway.api.history import SESSIONS
from gateway.api.jobs import TRANSCRIPTIONS, JobApi
from gateway.api.operation import routes_of
from gateway.api.transcriptions import TranscriptionApi
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.jobs.files import create_file, output_key
from storage.jobs.leases import JobLeases
from storage.jobs.sending import JobSending
from storage.jobs.store import JobStore
from storage.recordings.store import RecordingStore
from storage.tables import LOCAL
from tests.support.auth_parts import open_guard
from tests.support.histories import MovedClock, begun, history_of, written

AUDIO = b"RIFF and so on"
MAX_BYTES = 10_000
SHORT_S = 0.05  # Seconds: a client that waits for a job that nobody does.
LONG_S = 60.0  # Seconds: a client that waits for a job that is being done.


class JobEndpoints:
    """The endpoints of jobs, called without a socket, and an enhancer that is only here."""

    def __init__(self, database: Database, folder: Path, longest_wait: float = LONG_S) -> None:
        self.store, self.jobs = RecordingStore(str(folder)), JobStore(database, RecordingStore(str(folder)))
        self._leases, self._sending = JobLeases(database), JobSending(database)
        api = TranscriptionApi(FileJobs(self.jobs, self.store, longest_wait), MAX_BYTES)
        guard, jobs = open_guard(), JobApi(self.jobs, HistoryReader(database))
        routes = [*routes_of(jobs, guard), *routes_of(api, guard)]
        self._app = Starlette(routes=routes)

    def call(self, method: str, path: str = TRANSCRIPTIONS, **more: Any) -> httpx.Response:
        """One call."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                return await http.request(method, path, **more)

        return asyncio.run(ask())

    def send(self, audio: bytes = AUDIO, **fields: Any) -> httpx.Response:
        """Send a file with these fields of the form."""
        return self.call("POST", files={"file": ("talk.wav", audio)}, data=fields)

    def queued(self, **fields: Any) -> BatchJob:
        """The job of a file, without waiting for it."""
        response = self.send(AUDIO, **fields, **{"async": "true"})
        assert response.status_code == 202, response.text
        return msgspec.json.decode(response.content, type=BatchJob)

    def finish(self, job_id: str, transcript: EnhancedTranscript | None = None) -> None:
        """Do a job as an enhancer would."""
        result = transcript or EnhancedTranscript(
            job_id=job_id,
            text="Hello there.",
            duration=2.0,
            segments=(EnhancedSegment(id=0, start=0.0, end=1.0, text="Hello there."),),
        )
        key = output_key(job_id, "merge", [])
        with create_file(self.store, key) as file:
            file.write(msgspec.json.encode(result))
        while lease := self._leases.take_stage(job_id, "test"):
            if lease.stage == "merge":
                assert self._leases.complete(lease, key)
            elif lease.stage == "diarize":
                assert self._leases.skip(lease, "no diarizer here")
            else:
                assert self._leases.finish(lease, key)

    def fail(self, job_id: str) -> None:
        """Have a job fail by its file."""
        lease = self._leases.take_stage(job_id, "test")
        assert lease is not None
        assert self._leases.fail(lease, "it is no audio", final=True)

    def while_waiting(self, act: Callable[[str], object], **fields: Any) -> httpx.Response:
        """The answer of a client that waits, while something is done with its job."""
        waits = threading.Event()

        def work() -> None:
            while not (found := self.jobs.list(LOCAL)):
                waits.wait(0.01)
            act(found[0].job_id)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            return self.send(**fields)
        finally:
            worker.join()


@pytest.fixture
def api(database: Database, tmp_path: Path) -> JobEndpoints:
    return JobEndpoints(database, tmp_path)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and parameter of an error."""
    error = response.json()["error"]
    assert error["message"]
    assert error["type"] == "invalid_request_error"
    return response.status_code, error["code"], error.get("param", "")


def test_a_file_becomes_a_job_and_the_answer_its_transcript(api: JobEndpoints) -> None:
    response = api.while_waiting(api.finish)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["text"] == "Hello there."
    stored = api.store.read(f"jobs/{response.headers['X-Job-Id']}/input.wav")
    assert stored == AUDIO


@pytest.mark.parametrize("stream", ["false", "true"])
def test_the_answer_names_what_is_not_done(api: JobEndpoints, stream: str) -> None:
    response = api.while_waiting(api.finish, stream=stream, temperature="0", odd="1")
    assert response.headers["X-Ignored"] == "temperature"


def test_a_stream_ends_with_the_whole_text(api: JobEndpoints) -> None:
    response = api.while_waiting(api.finish, stream="true")
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    assert json.loads(lines[-2]) == {"type": "transcript.text.done", "text": "Hello there."}
    assert json.loads(lines[0]) == {"type": "transcript.text.delta", "delta": "Hello there."}


def test_a_job_is_asked_for_until_it_is_done(api: JobEndpoints) -> None:
    job = api.queued(response_format="text")
    response = api.call("GET", f"{TRANSCRIPTIONS}/{job.job_id}")
    assert (response.json()["status"], response.headers["Retry-After"]) == ("queued", "2")
    api.finish(job.job_id)
    response = api.call("GET", f"{TRANSCRIPTIONS}/{job.job_id}")
    assert response.json()["status"] == "done"
    assert response.json()["result"]["text"] == "Hello there."
    assert "Retry-After" not in response.headers


def test_the_same_file_again_is_the_same_job_while_it_goes_on(api: JobEndpoints) -> None:
    first, second, other = api.queued(), api.queued(), api.queued(language="en")
    assert first.job_id == second.job_id != other.job_id
    api.finish(first.job_id)
    assert api.queued().job_id not in (first.job_id, other.job_id)


def test_a_file_that_is_no_audio_is_said(api: JobEndpoints) -> None:
    response = api.while_waiting(api.fail)
    assert error_of(response)[:2] == (422, "transcription_failed")
    assert "it is no audio" in response.json()["error"]["message"]


def test_a_stream_says_what_went_wrong(api: JobEndpoints) -> None:
    response = api.while_waiting(api.fail, stream="true")
    assert '"code":"transcription_failed"' in response.text


def test_speakers_that_can_t_be_told_apart_are_not_made_up(api: JobEndpoints) -> None:
    response = api.while_waiting(api.finish, response_format="diarized_json")
    assert error_of(response) == (400, "no_speakers", "response_format")
    assert "no diarizer here" in response.json()["error"]["message"]


def test_who_waits_in_vain_may_come_back_to_the_same_job(database: Database, tmp_path: Path) -> None:
    api = JobEndpoints(database, tmp_path, SHORT_S)
    response = api.send()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert response.headers["Retry-After"]
    assert len(api.jobs.list(LOCAL)) == 1
    api.send()
    assert len(api.jobs.list(LOCAL)) == 1


def test_a_job_is_cancelled_once(api: JobEndpoints) -> None:
    job = api.queued()
    for _ in range(2):
        response = api.call("DELETE", f"{TRANSCRIPTIONS}/{job.job_id}")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")


def test_who_waits_for_a_cancelled_job_is_told(api: JobEndpoints) -> None:
    response = api.while_waiting(lambda job_id: api.jobs.cancel(LOCAL, job_id))
    assert error_of(response)[:2] == (410, "job_cancelled")


def test_a_job_is_there_as_soon_as_its_session_has_named_it(api: JobEndpoints) -> None:
    """The history is written some moments after `session.end` is sent."""
    job_id = f"job_{7:032x}"
    late = threading.Timer(0.3, api.jobs.create, [LOCAL, {}], {"input_key": "x", "job_id": job_id})
    late.start()
    response = api.call("GET", f"{TRANSCRIPTIONS}/{job_id}")
    late.join()
    assert (response.status_code, response.json()["status"]) == (200, "queued")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_jobs_that_are_not_there(api: JobEndpoints, method: str) -> None:
    unknown = f"{TRANSCRIPTIONS}/job_{'0' * 32}"
    assert error_of(api.call(method, unknown))[:2] == (404, "unknown_job")
    for bad in ("x", "job_" + "0" * 31, "job_" + "G" * 32, "..%2f..%2fetc"):
        response = api.call(method, f"{TRANSCRIPTIONS}/{bad}")
        assert response.status_code in (400, 404), bad


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"json": {"file": "x"}}, (400, "invalid_parameter", "body")),
        ({"data": {"model": "fast"}}, (400, "invalid_parameter", "body")),
        ({"files": {"audio": ("a.wav", b"x")}}, (400, "invalid_parameter", "file")),
        ({"files": {"file": ("a.wav", b"")}}, (400, "invalid_parameter", "file")),
        ({"files": [("file", ("a", b"x")), ("file", ("b", b"x"))]}, (400, "invalid_parameter", "body")),
        ({"files": {"file": ("a.wav", bytes(MAX_BYTES + 1))}}, (413, "upload_too_large", "")),
        (
            {"files": {"file": ("a.wav", b"x")}, "data": {"stream": "perhaps"}},
            (400, "invalid_parameter", "stream"),
        ),
    ],
)
def test_a_bad_request_makes_no_job(
    api: JobEndpoints, more: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert error_of(api.call("POST", **more)) == expected
    assert api.jobs.list(LOCAL) == []


def test_a_body_that_says_no_length_is_bounded_too(api: JobEndpoints) -> None:
    async def body() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(20):
            yield bytes(1_000)

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert error_of(api.call("POST", content=body(), headers=kind))[:2] == (413, "upload_too_large")


def test_a_name_that_could_lead_elsewhere_is_not_used(api: JobEndpoints) -> None:
    response = api.call("POST", files={"file": ("a.../../etc/x", AUDIO)}, data={"async": "true"})
    assert api.store.read(f"jobs/{response.json()['job_id']}/input") == AUDIO


def test_old_sessions_are_enhanced_again_and_again(database: Database, tmp_path: Path) -> None:
    api, session_id = JobEndpoints(database, tmp_path), f"{1:032x}"
    with history_of(database, MovedClock()) as history:
        kept = begun(history, session_id)
        written(history)
        path = f"{SESSIONS}/{session_id}/enhance"
        assert api.call("POST", path).json()["error"]["code"] == "session_active"
        kept.finish("ended", "normal", audio_seconds=3.0)
        written(history)
    first = api.call("POST", path)
    assert (first.status_code, first.json()["session_id"]) == (202, session_id)
    second = api.call("POST", path, json={"diarize": False})
    assert second.json()["job_id"] != first.json()["job_id"]
    assert second.json()["options"] == {"diarize": False}
    assert error_of(api.call("POST", path, json={"diarise": False}))[0] == 400
    assert api.call("POST", f"{SESSIONS}/{2:032x}/enhance").status_code == 404
