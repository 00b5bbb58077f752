"""Recordings of a gateway that is gone: another one joins what is there, once, and within its time."""

import os
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.recordings.joining import JoinedRecording
from storage.recordings.presence import RecordingTimes
from storage.recordings.recorder import RecordingThread
from storage.recordings.service import RecordingService
from storage.recordings.session_writer import RecordedSession
from storage.recordings.wav import WavFormat
from tests.support.managed_process import DEADLINE_S

ID = "5" * 32

FORM = WavFormat("pcm_s16le", 16_000, 1)
SAID = os.urandom(3 * 32_000)
TIMES = RecordingTimes(silent=0.4, lost=2.0, retry=0.1)
NEVER_LOST = RecordingTimes(silent=0.4, lost=600.0, retry=0.1)


class TwoGateways:
    """The recordings of two gateways that live, and what each has joined."""

    def __init__(self, data_dir: Path, times: RecordingTimes, url: str | None = None) -> None:
        self.joined: list[tuple[str, JoinedRecording]] = []
        self.services = [
            RecordingService(data_dir, url, lambda *found: self.joined.append(found), times=times)
            for _ in range(2)
        ]

    def look_until_joined(self, count: int) -> None:
        """Have both look until so many sessions are joined, and for a while after."""
        deadline = time.monotonic() + DEADLINE_S
        while len(self.joined) < count:
            assert time.monotonic() < deadline, self.joined
            self.look()
        for _ in range(5):
            self.look()

    def look(self, *, nobody_goes_on: bool = False) -> None:
        """Have both look once."""
        for service in self.services:
            for session_id in service.look():
                if nobody_goes_on:
                    service.finish_lost(session_id)
        time.sleep(0.05)

    def recorded(self, name: str) -> bytes:
        """The samples of a session."""
        with self.services[0].recordings.open_audio(name) as file, wave.open(file) as audio:
            return bytes(audio.readframes(audio.getnframes()))


@contextmanager
def gateways(data_dir: Path, times: RecordingTimes = TIMES) -> Iterator[TwoGateways]:
    """Two gateways for the duration of a block."""
    both = TwoGateways(data_dir, times)
    yield both
    for service in both.services:
        service.close(5)


def leave(folder: Path, *names: str, ended: bool) -> None:
    """Leave sessions as a gateway does that is killed: in the moment of their end, or before it."""
    thread = RecordingThread(folder)
    for name in names:
        session = RecordedSession(name, "00000-ab12cd34ef56", FORM, b'{"type":"recording","config":{}}')
        recorder = thread.record(session, print)
        recorder.append_audio(0, SAID)
        recorder.close(ended=ended)
    thread.close(5)


@pytest.mark.parametrize("ended", [True, False])
def test_each_recording_of_a_gateway_that_is_gone_is_joined_once(tmp_path: Path, ended: bool) -> None:
    with gateways(tmp_path) as both:
        names = [f"{number:032x}" for number in range(10)]
        leave(tmp_path, *names, ended=ended)
        both.look_until_joined(len(names))
        assert sorted(both.joined) == sorted((name, JoinedRecording(3.0, ())) for name in names)
        assert {both.recorded(name) for name in names} == {SAID}
        assert list(both.services[0].recordings.unfinished()) == []


def test_one_that_nobody_can_go_on_with_need_not_wait_until_it_is_lost(tmp_path: Path) -> None:
    with gateways(tmp_path, NEVER_LOST) as both:
        leave(tmp_path, ID, ended=False)
        deadline = time.monotonic() + DEADLINE_S
        while not both.joined:
            assert time.monotonic() < deadline
            both.look(nobody_goes_on=True)
        file = (tmp_path / f"sessions/{ID}/audio.wav").stat().st_ino
        for _ in range(20):
            both.look(nobody_goes_on=True)
        assert (tmp_path / f"sessions/{ID}/audio.wav").stat().st_ino == file
        assert set(both.joined) == {(ID, JoinedRecording(3.0, ()))}
        assert both.recorded(ID) == SAID


def test_a_session_that_may_go_on_is_not_joined_before_it_is_lost(tmp_path: Path) -> None:
    with gateways(tmp_path, NEVER_LOST) as both:
        leave(tmp_path, ID, ended=False)
        deadline = time.monotonic() + 3 * NEVER_LOST.silent
        while time.monotonic() < deadline:
            both.look()
        assert both.joined == []


def test_what_a_process_before_this_one_had_ended_is_joined_at_the_start(tmp_path: Path) -> None:
    leave(tmp_path, ID, ended=True)
    with gateways(tmp_path) as both:
        deadline = time.monotonic() + DEADLINE_S
        while not both.joined:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert both.recorded(ID) == SAID


def test_what_a_lost_gateway_has_recorded_is_joined_by_another(tmp_path: Path) -> None:
    leave(tmp_path, ID, ended=False)
    with gateways(tmp_path, NEVER_LOST) as both:
        both.services[0].finish_lost(ID)
        both.services[1].finish_lost("0" * 32)
        deadline = time.monotonic() + DEADLINE_S
        while not both.joined:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert both.joined == [(ID, JoinedRecording(3.0, ()))]
        assert both.recorded(ID) == SAID
