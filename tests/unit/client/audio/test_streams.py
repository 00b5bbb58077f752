"""Checks what is read from pipes, named pipes and standard input."""

import asyncio
import io
import os
import struct
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.audio.streams import pipe_chunks, stream_chunks
from dalston_realtime.client.errors import AudioError

NOISE = np.random.default_rng(1).integers(-3_000, 3_000, 20_000).astype("<i2")


class Trickle(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 100))


def recorded(form: str, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, NOISE, rate, format=form)
    return file.getvalue()


def read(content: bytes, raw: bool = True) -> list[bytes]:
    return list(stream_chunks("-", lambda: nullcontext(Trickle(content)), raw))


def test_raw_samples_stay_as_they_are() -> None:
    chunks = read(NOISE.tobytes())

    assert b"".join(chunks) == NOISE.tobytes()
    assert {len(chunk) for chunk in chunks[:-1]} == {CHUNK_BYTES}


@pytest.mark.parametrize("size", [None, 0, 0xFFFF_FFFF])
def test_a_wav_is_decoded_and_its_header_is_no_audio(size: int | None) -> None:
    content = bytearray(recorded("WAV"))
    if size is not None:
        content[40:44] = struct.pack("<I", size)

    assert b"".join(read(bytes(content))) == NOISE.tobytes()


def test_what_is_behind_the_audio_of_a_wav_is_not_heard() -> None:
    assert b"".join(read(recorded("WAV") + b"LIST" + bytes(4_000))) == NOISE.tobytes()


def test_a_wav_at_another_rate_is_resampled() -> None:
    assert len(b"".join(read(recorded("WAV", 8_000)))) == pytest.approx(80_000, abs=200)


def test_a_live_wav_is_decoded_as_it_comes() -> None:
    source = Trickle(recorded("WAV") * 2)
    chunks = stream_chunks("-", lambda: nullcontext(source), raw=True)

    next(chunks)

    assert source.tell() < 2 * CHUNK_BYTES


@pytest.mark.parametrize("form", ["FLAC", "OGG"])
def test_another_recording_is_decoded(form: str) -> None:
    assert len(b"".join(read(recorded(form)))) == NOISE.nbytes


def test_an_m4a_without_pyav_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)

    with pytest.raises(AudioError, match=r"^-: m4a, mp4, .* 'dalston-realtime\[media\]'"):
        read(b"\0\0\0\x20ftypM4A \0\0\0\0")


def test_raw_samples_in_a_named_pipe_are_no_recording() -> None:
    with pytest.raises(AudioError, match=r"^-: not audio that can be read"):
        read(NOISE.tobytes(), raw=False)


def test_a_wav_of_an_unknown_kind_is_named() -> None:
    content = bytearray(recorded("WAV"))
    content[20:22] = struct.pack("<H", 0x11)

    with pytest.raises(AudioError, match="format 17, 16 bits"):
        read(bytes(content))


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_named_pipe_is_read(fifo: Path) -> None:
    async def play() -> bytes:
        return b"".join([chunk async for chunk in pipe_chunks(fifo)])

    writer = threading.Thread(target=lambda: fifo.write_bytes(recorded("WAV")))
    writer.start()
    assert asyncio.run(play()) == NOISE.tobytes()
    writer.join()


def test_a_pipe_that_nobody_writes_to_does_not_keep_the_program(fifo: Path) -> None:
    async def play() -> None:
        async with asyncio.timeout(0.1):
            await anext(pipe_chunks(fifo))

    started = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(play())
    assert time.monotonic() - started < 5
    fifo.write_bytes(b"")  # the thread goes on, and ends
