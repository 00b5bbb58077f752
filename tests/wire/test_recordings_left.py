"""Recordings of a gateway that is gone: another one joins what is there."""

import os
import queue
import wave
from pathlib import Path

from storage.recordings.joining import JoinedRecording
from storage.recordings.service import RecordingService
from storage.recordings.session_writer import RecordedSession
from storage.recordings.wav import WavFormat
from tests.support.managed_process import DEADLINE_S

SESSION = RecordedSession(
    "s", "00000-aaaa", WavFormat("pcm_s16le", 16_000, 1), b'{"type":"recording","config":{}}'
)


def test_what_a_lost_gateway_has_recorded_is_joined_by_another(tmp_path: Path) -> None:
    said, joined = os.urandom(3 * 32_000), queue.Queue[tuple[str, JoinedRecording]]()
    lost = RecordingService(tmp_path)
    recorder = lost.record(SESSION, print)
    recorder.append_audio(0, said)
    recorder.close(ended=False)
    lost.close(5)
    other = RecordingService(tmp_path, None, lambda *found: joined.put(found))
    other.finish_lost("s")
    assert joined.get(timeout=DEADLINE_S) == ("s", JoinedRecording(3.0, ()))
    with other.recordings.open_audio("s") as file, wave.open(file) as audio:
        assert audio.readframes(audio.getnframes()) == said
    other.finish_lost("never recorded")
    other.close(5)
