"""Recordings in S3, as moto's server plays it: uploads, a store that is away, and what a process left."""

import os
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.recordings import Recordings, StorageUnavailable
from storage.recordings.joining import JoinedRecording
from storage.recordings.recorder import SPOOL_FULL
from storage.recordings.service import RecordingService
from storage.recordings.session_writer import RecordedSession, SessionWriter
from storage.recordings.wav import WavFormat
from tests.support.managed_process import DEADLINE_S
from tests.support.s3_server import MotoServer, bucket_url

ID = "5" * 32

FORM = WavFormat("pcm_s16le", 16_000, 1)


class Joins:
    """The recordings that were joined."""

    def __init__(self) -> None:
        self.found: list[JoinedRecording] = []
        self._changed = threading.Event()

    def on_joined(self, _session: str, joined: JoinedRecording) -> None:
        self.found.append(joined)
        self._changed.set()

    def wait(self) -> JoinedRecording:
        assert self._changed.wait(DEADLINE_S)
        self._changed.clear()
        return self.found[-1]


def session(name: str = ID, writer: str = "00000-aaaa") -> RecordedSession:
    return RecordedSession(name, writer, FORM, b'{"type":"recording","config":{}}')


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def recorded(recordings: Recordings) -> bytes:
    with recordings.open_audio(ID) as file, wave.open(file) as audio:
        return bytes(audio.readframes(audio.getnframes()))


@pytest.mark.usefixtures("s3")
def test_a_session_is_uploaded_while_it_runs_and_joined_at_the_end(tmp_path: Path) -> None:
    joins, said = Joins(), os.urandom(25 * 32_000)
    service = RecordingService(tmp_path, bucket_url(tmp_path), joins.on_joined)
    recorder = service.record(session(), print)
    for second in range(25):
        recorder.append_audio(second * 16_000, said[second * 32_000 : (second + 1) * 32_000])
    recorder.append_event(b'{"type":"transcript.final","utterance":1,"text":"One.","start":0}')
    recorder.close(ended=True)
    assert joins.wait() == JoinedRecording(25.0, ())
    assert recorded(service.recordings) == said
    with service.recordings.open_audio(ID) as file:
        file.seek(44 + 320_000)
        assert file.read(100) == said[320_000:320_100]
    assert service.recordings.read_transcript(ID)["transcript"] == "One."
    assert list((tmp_path / "spool").rglob("*.wav")) == []
    assert service.recordings.delete(ID)
    assert not service.recordings.delete(ID)
    service.close(5)


def test_a_store_that_is_away_gets_it_later(s3: MotoServer, tmp_path: Path) -> None:
    joins, said = Joins(), os.urandom(15 * 32_000)
    service = RecordingService(tmp_path, bucket_url(tmp_path), joins.on_joined)
    bucket = service.recordings.store
    s3.stop()
    with pytest.raises(StorageUnavailable):
        bucket.read("x")
    recorder = service.record(session(), print)
    recorder.append_audio(0, said)
    recorder.close(ended=True)
    s3.start()
    assert joins.wait().complete
    assert recorded(service.recordings) == said
    service.close(5)


def test_what_waits_for_a_store_that_is_away_is_bounded(s3: MotoServer, tmp_path: Path) -> None:
    joins, said, losses = Joins(), os.urandom(40 * 32_000), list[str]()
    service = RecordingService(tmp_path, bucket_url(tmp_path), joins.on_joined, max_spool_bytes=600_000)
    s3.stop()
    recorder = service.record(session(), losses.append)
    recorder.append_audio(0, said[: 30 * 32_000])
    deadline = time.monotonic() + DEADLINE_S
    while not service.is_full and time.monotonic() < deadline:
        time.sleep(0.01)
    wait_for(lambda: service.is_full)
    assert losses == []
    recorder.append_audio(30 * 16_000, said[30 * 32_000 :])
    assert losses == [SPOOL_FULL]
    recorder.close(ended=True)
    s3.start()
    assert joins.wait().seconds == 30.0
    assert recorded(service.recordings) == said[: 30 * 32_000]
    service.close(5)


@pytest.mark.usefixtures("s3")
def test_what_a_killed_gateway_had_not_uploaded_of_a_session_that_goes_on_here(tmp_path: Path) -> None:
    joins, said = Joins(), os.urandom(9 * 32_000)
    service = RecordingService(tmp_path, bucket_url(tmp_path), joins.on_joined)
    killed = SessionWriter(tmp_path / "spool" / "9", session(), 2.0, print)
    killed.append_audio(0, said[: 5 * 32_000])
    killed.flush()
    recorder = service.record(session(writer="00001-aaaa"), print)
    recorder.append_audio(4 * 16_000, said[4 * 32_000 : 6 * 32_000])
    wait_for(lambda: list((tmp_path / "spool" / "0").rglob("*.00001-aaaa.wav")))
    service.look()
    wait_for(lambda: not list((tmp_path / "spool" / "9").rglob("*.wav")))
    recorder.append_audio(6 * 16_000, said[6 * 32_000 :])
    recorder.close(ended=True)
    assert joins.wait() == JoinedRecording(9.0, ())
    assert recorded(service.recordings) == said
    service.close(5)


@pytest.mark.usefixtures("s3")
def test_what_a_killed_gateway_had_not_uploaded_completes_the_recording_later(tmp_path: Path) -> None:
    joins, said = Joins(), os.urandom(6 * 32_000)
    left = tmp_path / "one" / "spool" / "0"
    killed = SessionWriter(left, session(), 10.0, print)
    killed.append_audio(0, said[:96_000])
    killed.flush()
    other = RecordingService(tmp_path / "two", bucket_url(tmp_path), joins.on_joined)
    recorder = other.record(session(writer="00001-aaaa"), print)
    recorder.append_audio(32_000, said[64_000:])
    recorder.close(ended=True)
    assert joins.wait().missing == ((0.0, 2.0),)
    again = RecordingService(tmp_path / "one", bucket_url(tmp_path), joins.on_joined)
    assert joins.wait().complete
    assert recorded(again.recordings) == said
    other.close(5)
    again.close(5)
