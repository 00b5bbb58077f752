"""Makes the audio that the models hear of what a client sent, block by block, for a recording."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, ENCODED_BYTES, SAMPLE_RATE
from runtime.audio.audio_input import AudioInput
from storage.recordings.wav import WavFormat


class Conversion(Protocol):
    """Turns a client's bytes, of whole sample frames, into 16 kHz s16."""

    def convert(self, data: bytes) -> bytes:
        """The samples that `data` completes."""
        ...

    def finish(self) -> bytes:
        """The last samples."""
        ...


class _Unchanged:
    def convert(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Mixed:
    def __init__(self, form: WavFormat) -> None:
        self._input = AudioInput(form.encoding, form.rate, form.channels)

    def convert(self, data: bytes) -> bytes:
        return self._input.decode_bytes(data)

    def finish(self) -> bytes:
        return self._input.drain()


class _Separate:
    def __init__(self, form: WavFormat) -> None:
        self._form = form
        self._inputs = [AudioInput(form.encoding, form.rate, 1) for _ in range(form.channels)]

    def convert(self, data: bytes) -> bytes:
        samples = np.frombuffer(data, f"V{ENCODED_BYTES[self._form.encoding]}")
        parts = samples.reshape(-1, self._form.channels).T
        return _interleaved(
            each.decode_bytes(part.tobytes()) for each, part in zip(self._inputs, parts, strict=True)
        )

    def finish(self) -> bytes:
        return _interleaved(each.drain() for each in self._inputs)


def make_conversion(form: WavFormat, *, separate: bool) -> Conversion:
    """What makes a recording of audio in this format; `separate` keeps its channels apart."""
    if form.encoding == "pcm_s16le" and form.rate == SAMPLE_RATE and (separate or form.channels == 1):
        return _Unchanged()
    return _Separate(form) if separate and form.channels > 1 else _Mixed(form)


def converted_frames(frames: int, rate: int) -> int:
    """How many sample frames at 16 kHz so many at `rate` become, as the resampler rounds."""
    return (2 * frames * SAMPLE_RATE + rate) // (2 * rate)


def _interleaved(channels: Iterator[bytes]) -> bytes:
    columns = [np.frombuffer(each, f"<i{BYTES_PER_SAMPLE}") for each in channels]
    return np.stack(columns, axis=1).tobytes()
