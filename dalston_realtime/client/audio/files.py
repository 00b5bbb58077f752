"""Reads audio files as chunks of 16 kHz mono s16le, a block at a time, so that memory stays flat."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.errors import AudioError, one_line
from dalston_realtime.protocol.audio import SAMPLE_RATE

BLOCK_SECONDS: Final = 1  # Seconds that are decoded at once, whatever the length of the file.
_NO_LENGTH: Final = 1 << 40  # Sample frames; libsndfile reports more where a format does not say its length.

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An open recording: `duration` in seconds, None where the format does not say."""

    duration: float | None
    chunks: Iterator[bytes]


@contextmanager
def open_audio(path: Path) -> Iterator[AudioFile]:
    """The recording at `path` in chunks of 100 ms (the last one may be shorter).

    Any rate, any number of channels (mixed down), any format that libsndfile reads.

    Raises:
        AudioError: it is not there or not audio; from `chunks` where it is broken on the way.
    """
    if not path.is_file():
        raise AudioError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _unreadable(path, error) from None
    with file:
        duration = file.frames / file.samplerate if 0 < file.frames < _NO_LENGTH else None
        yield AudioFile(duration, _chunks(file, path))


def _chunks(file: soundfile.SoundFile, path: Path) -> Iterator[bytes]:
    pending = bytearray()
    for block in _resampled(_mono_blocks(file, path), file.samplerate):
        pending += to_pcm(block)
        whole = len(pending) - len(pending) % CHUNK_BYTES
        for start in range(0, whole, CHUNK_BYTES):
            yield bytes(pending[start : start + CHUNK_BYTES])
        del pending[:whole]
    if pending:
        yield bytes(pending)


def to_pcm(samples: Samples) -> bytes:
    """Samples from -1 to 1 as s16le; what is louder is clipped."""
    return np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes()


def _mono_blocks(file: soundfile.SoundFile, path: Path) -> Iterator[Samples]:
    size = file.samplerate * BLOCK_SECONDS
    while True:
        try:
            block = file.read(size, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from None
        if not len(block):
            return
        finite = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)  # one NaN would spread
        yield np.clip(finite, -1.0, 1.0).mean(axis=1, dtype=np.float32)


def _resampled(blocks: Iterator[Samples], rate: int) -> Iterator[Samples]:
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _unreadable(path: Path, error: Exception) -> AudioError:
    why = getattr(error, "error_string", None) or error
    return AudioError(
        f"{path}: not audio that can be read ({one_line(why, 100).rstrip('.')});"
        " wav, flac, ogg, opus, mp3 and more are"
    )
