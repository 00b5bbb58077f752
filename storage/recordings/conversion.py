"""Makes the audio that the models hear of what a client sent, block by block, for a recording."""

from typing import Protocol

from dalston_realtime.protocol.audio import SAMPLE_RATE
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


class _Converted:
    def __init__(self, form: WavFormat, *, separate: bool) -> None:
        self._input = AudioInput(form.encoding, form.rate, form.channels, separate=separate)

    def convert(self, data: bytes) -> bytes:
        return self._input.decode_bytes(data)

    def finish(self) -> bytes:
        return self._input.drain()


def make_conversion(form: WavFormat, *, separate: bool) -> Conversion:
    """What makes a recording of audio in this format; `separate` keeps its channels apart."""
    if form.encoding == "pcm_s16le" and form.rate == SAMPLE_RATE and (separate or form.channels == 1):
        return _Unchanged()
    return _Converted(form, separate=separate)


def converted_frames(frames: int, rate: int) -> int:
    """How many sample frames at 16 kHz so many at `rate` become, as the resampler rounds."""
    return (2 * frames * SAMPLE_RATE + rate) // (2 * rate)
