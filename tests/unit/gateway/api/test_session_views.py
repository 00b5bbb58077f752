"""What a page about a session asks beside its transcript: a waveform, and its jobs."""

import asyncio
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from gateway.api.operation import ApiError
from gateway.api.session_views import SessionViewApi, WaveformParams, read_waveform
from gateway.auth.principal import LOCAL_USER
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.jobs.store import JobStore
from tests.support.histories import MemoryFiles, history_of, kept_session, written

RATE = 16_000


def recording(*levels: int) -> bytes:
    """A WAV file with a second of each level."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(np.repeat(np.array(levels, np.int16), RATE).tobytes())
    return file.getvalue()


def test_a_waveform_has_the_loudest_sample_of_each_bar() -> None:
    found = read_waveform(io.BytesIO(recording(0, 16_384, -32_768)), 3)
    assert (found.seconds, found.peaks) == (3.0, [0.0, 0.5, 1.0])


def test_a_recording_that_is_shorter_than_its_bars_has_fewer() -> None:
    assert read_waveform(io.BytesIO(recording()), 10).peaks == []


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/history.db")
    files = MemoryFiles()
    with history_of(database) as history:
        session_id = kept_session(history, 1, "hello")
        written(history)
    api = SessionViewApi(HistoryReader(database), files, JobStore(database))
    assert asyncio.run(api.session_jobs(LOCAL_USER, session_id)).jobs == []
    for wanted, code in ((session_id, "no_audio"), ("0" * 32, "unknown_session")):
        with pytest.raises(ApiError) as refused:
            asyncio.run(api.waveform(LOCAL_USER, wanted, WaveformParams()))
        assert code in bytes(refused.value.reply.body).decode()
    files.audio[session_id] = b"no sound"
    with pytest.raises(ApiError, match="can't be read now"):
        asyncio.run(api.waveform(LOCAL_USER, session_id, WaveformParams()))
