"""The thread that writes: bounded, and a disk that is full costs the recording alone."""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.recordings import recorder as module
from storage.recordings.recorder import MAX_WAITING_BYTES, RecordingThread
from storage.recordings.service import RecordingService
from storage.recordings.session_writer import RecordedSession
from storage.recordings.wav import WavFormat

ID = "5" * 32

SECOND = os.urandom(32_000)


def session(name: str = ID) -> RecordedSession:
    form = WavFormat("pcm_s16le", 16_000, 1)
    return RecordedSession(name, "00000-aaaa", form, b'{"type":"recording","config":{}}')


class Ends:
    """Waits for what the threads say."""

    def __init__(self) -> None:
        self.losses: list[str] = []
        self.lost = threading.Event()
        self.closed = threading.Event()
        self.joined: list[object] = []

    def on_loss(self, reason: str) -> None:
        self.losses.append(reason)
        self.lost.set()

    def on_closed(self, _session: str, _joined: object) -> None:
        self.joined.append(_joined)
        self.closed.set()


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond this size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path: Path) -> None:
    ends = Ends()
    service = RecordingService(tmp_path, on_joined=ends.on_closed)
    recorder = service.record(session(), ends.on_loss)
    with files_up_to(50_000):
        for number in range(3):
            recorder.append_audio(number * 16_000, SECOND)
        assert ends.lost.wait(10)
    recorder.append_audio(3 * 16_000, SECOND)  # There is room again.
    recorder.close(ended=True)
    assert ends.closed.wait(10)
    assert ends.losses[0] == os.strerror(27)
    with service.recordings.open_audio(ID) as file:
        data = file.read()[44:]
    assert data[:49_900] == (SECOND * 2)[:49_900]
    assert data[-32_000:] == SECOND
    assert len(data) == 4 * 32_000
    assert service.recordings.read_transcript(ID)["audio"]["missing"]
    service.close(5)


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "parts").write_text("in the way")
    ends = Ends()
    thread = RecordingThread(tmp_path)
    recorder = thread.record(session(), ends.on_loss)
    recorder.append_audio(0, SECOND)
    assert ends.lost.wait(10)
    thread.close(5)


def test_what_waits_for_a_disk_that_hangs_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, goes_on, losses = threading.Event(), threading.Event(), list[str]()

    def hang(_recorder: object) -> None:
        hangs.set()
        goes_on.wait(30)

    monkeypatch.setattr(module.SessionRecorder, "write", hang)
    thread = RecordingThread(tmp_path)
    recorder = thread.record(session(), losses.append)
    assert hangs.wait(10)
    for number in range(MAX_WAITING_BYTES // 32_000 + 10):
        recorder.append_audio(number * 16_000, SECOND)
    assert losses
    assert set(losses) == {module.SLOW}
    goes_on.set()
    thread.close(5)


def test_what_a_process_left_is_joined_by_the_next_one(tmp_path: Path) -> None:
    thread = RecordingThread(tmp_path)
    recorder = thread.record(session(), print)
    recorder.append_audio(0, SECOND)
    recorder.close(ended=True)
    thread.close(5)
    ends = Ends()
    service = RecordingService(tmp_path, on_joined=ends.on_closed)
    assert ends.closed.wait(10)
    with service.recordings.open_audio(ID) as file:
        assert file.read()[44:] == SECOND
    service.close(5)
