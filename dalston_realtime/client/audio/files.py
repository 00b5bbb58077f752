"""Reads audio files as chunks of 16 kHz s16le, a block at a time, so that memory stays flat."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from dalston_realtime.client.audio.audio_file import AudioFile, rechunked, unreadable
from dalston_realtime.client.audio.byte_stream import ByteStream
from dalston_realtime.client.audio.media import is_media, open_media
from dalston_realtime.client.audio.wav_header import read_wav_header
from dalston_realtime.client.errors import AudioError
from dalston_realtime.protocol.audio import SAMPLE_RATE

BLOCK_SECONDS: Final = 1  # Seconds that are decoded at once, whatever the length of the file.
BLOCKS_PER_SECOND: Final = 10  # Of a stream, which may be live: no sample waits for more than 100 ms.
HEAD_BYTES: Final = 16  # Bytes at the start of a file that tell its format.
_NO_LENGTH: Final = 1 << 40  # Sample frames; libsndfile reports more where a format does not say its length.

Samples = npt.NDArray[np.float32]


@contextmanager
def open_audio(path: Path, *, separate: bool = False) -> Iterator[AudioFile]:
    """The recording at `path` in chunks of 100 ms (the last one may be shorter).

    Any rate, any number of channels (mixed down, or kept `separate`), any format that libsndfile reads, and
    those that PyAV reads where it is installed.

    Raises:
        AudioError: it is not there or not audio; from `chunks` where it is broken on the way.
    """
    if not path.is_file():
        raise AudioError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    with ExitStack() as opened:
        yield _opened(path, opened, separate=separate)


def _opened(path: Path, opened: ExitStack, *, separate: bool) -> AudioFile:
    try:
        file = opened.enter_context(soundfile.SoundFile(path))
    except TypeError:  # soundfile asks for the rate of what is called .raw
        raise _headless(path) from None
    except (soundfile.LibsndfileError, OSError) as error:
        if is_media(_head(path)):
            return opened.enter_context(open_media(path, separate=separate))
        raise unreadable(path, error) from None
    if not file.frames and (unclosed := _unclosed_wav(path, opened, separate=separate)):
        return unclosed
    duration = file.frames / file.samplerate if 0 < file.frames < _NO_LENGTH else None
    chunks = decoded_chunks(file, path, file.samplerate * BLOCK_SECONDS, separate=separate)
    return AudioFile(duration, chunks, file.channels if separate else 1)


def _headless(path: Path) -> AudioError:
    return AudioError(
        f"{path}: raw audio does not say its format; send 16 kHz mono s16le with"
        f" `dalston-rt transcribe - < FILE`, or give it a WAV header with ffmpeg or sox"
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _unclosed_wav(path: Path, opened: ExitStack, *, separate: bool) -> AudioFile | None:
    """The audio of a WAV whose header says that there is none, because its recorder was stopped before it."""
    raw = opened.enter_context(path.open("rb"))
    try:
        header = read_wav_header(raw.read)
    except ValueError:
        return None
    start = raw.tell()
    left = path.stat().st_size - start
    if header.size is not None or left < header.frame_bytes or raw.read(4) in (b"LIST", b"id3 ", b"fact"):
        return None
    raw.seek(0)
    duration = left / header.frame_bytes / header.sample_rate
    chunks = wav_chunks(ByteStream(raw), path, separate=separate)
    return AudioFile(duration, chunks, header.channels if separate else 1)


def wav_chunks(stream: ByteStream, name: Path | str, *, separate: bool = False) -> Iterator[bytes]:
    """A stream of a WAV file, as its samples come, in chunks of 100 ms (the last one may be shorter).

    Raises:
        AudioError: it is not a WAV file of samples.
    """
    try:
        header = read_wav_header(stream.read)
    except ValueError as error:
        raise unreadable(name, error) from None
    stream.limit(header.size)
    with soundfile.SoundFile(
        stream,
        samplerate=header.sample_rate,
        channels=header.channels,
        format="RAW",
        subtype=header.subtype,
        endian="LITTLE",
    ) as file:
        frames = max(1, header.sample_rate // BLOCKS_PER_SECOND)
        yield from decoded_chunks(file, name, frames, separate=separate)


def decoded_chunks(
    file: soundfile.SoundFile, name: Path | str, block_frames: int, *, separate: bool = False
) -> Iterator[bytes]:
    """What libsndfile reads as 16 kHz s16le, decoded `block_frames` sample frames at a time: mono, or all
    channels interleaved."""
    channels = file.channels if separate else 1
    blocks = _blocks(file, name, block_frames, separate=separate)
    return rechunked(map(to_pcm, _resampled(blocks, file.samplerate, channels)), channels)


def to_pcm(samples: Samples) -> bytes:
    """Samples from -1 to 1 as s16le; what is louder is clipped."""
    return np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes()


def _blocks(
    file: soundfile.SoundFile, name: Path | str, block_frames: int, *, separate: bool
) -> Iterator[Samples]:
    """Sample frames [n, channels]; [n, 1] where they are mixed."""
    while True:
        try:
            block = file.read(block_frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise unreadable(name, error) from None
        if not len(block):
            return
        finite = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)  # one NaN would spread
        clipped = np.clip(finite, -1.0, 1.0)
        yield clipped if separate else clipped.mean(axis=1, dtype=np.float32, keepdims=True)


def _resampled(blocks: Iterator[Samples], rate: int, channels: int) -> Iterator[Samples]:
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)
