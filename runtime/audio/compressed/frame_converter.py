"""Makes 16 kHz s16le of the frames that PyAV decodes, whatever their rate, format and channels."""

from typing import Any, Final

import numpy as np

from runtime.audio.compressed.errors import UnreadableStream
from runtime.audio.sample_converter import Floats, SampleConverter

MAX_CHANNELS: Final = 8  # As many as a session of plain samples may have.
FULL: Final = 8  # Planes for which FFmpeg's frames have room.
PLAIN: Final = "fltp"  # What Opus, AAC and MP3 are decoded to: of one channel, nothing has to be converted.
RATES: Final = (1_000, 768_000)  # Hz, inclusive: a damaged header may claim any.


class FrameConverter:
    """Converts the frames of one stream; the channels are mixed, or `separate` of them kept apart.

    Frames are short, so it pays to convert as many as there are at once.
    """

    def __init__(self, separate: int) -> None:
        self._separate = separate
        self._form: tuple[int, int] | None = None  # Sample rate and channels of the frames so far.
        self._converter: SampleConverter | None = None
        self._packer: Any = None
        self._frames: list[Floats] = []  # Of this form, not converted yet.
        self._converted = bytearray()
        self.waiting = 0  # Samples of the frames that are not converted yet, of all channels.

    def append(self, frame: Any) -> None:
        """Add a frame.

        Raises:
            UnreadableStream: it has other channels than the client said, or too many.
        """
        form = (frame.sample_rate, frame.layout.nb_channels)
        if form != self._form:
            self._begin(*form)
            self._packer = _packer_for(frame)
        for each in (frame,) if self._packer is None else self._packer.resample(frame):
            samples = _floats(each)
            self._frames.append(samples)
            self.waiting += len(samples)

    def take(self) -> bytes:
        """The samples that the frames complete."""
        if self._frames and self._converter is not None:
            one = self._frames[0] if len(self._frames) == 1 else np.concatenate(self._frames)
            self._converted += self._converter.convert(one)
            self._frames, self.waiting = [], 0
        samples = bytes(self._converted)
        self._converted.clear()
        return samples

    def drain(self) -> None:
        """Have `take` give what the resampler holds back as well; more may follow."""
        samples = self.take()
        self._converted += samples + (b"" if self._converter is None else self._converter.drain())

    def _begin(self, rate: int, channels: int) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise UnreadableStream(f"the audio has {rate} samples a second")
        if not 1 <= channels <= MAX_CHANNELS:
            raise UnreadableStream(f"the audio has {channels} channels, and at most {MAX_CHANNELS} are taken")
        if self._separate not in (0, channels):
            raise UnreadableStream(f"the audio has {channels} channels; set channels={channels}")
        self.drain()
        self._form = rate, channels
        self._converter = SampleConverter(rate, channels, separate=bool(self._separate))


def _packer_for(frame: Any) -> Any:
    """What puts the channels of such frames into one plane, where PyAV 18 can't read them in several.

    It counts the planes of a frame up to an empty one, and a frame of eight has none behind them: it reads
    what is not there, and the process dies.
    """
    if not frame.format.is_planar or frame.layout.nb_channels < FULL:
        return None
    import av

    return av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)


def _floats(frame: Any) -> Floats:
    """The samples of a frame, interleaved, -1..1; what is not a number is silence."""
    if frame.format.name == PLAIN and frame.layout.nb_channels == 1:
        return _in_range(np.frombuffer(frame.planes[0], np.float32, frame.samples))
    samples = frame.to_ndarray()
    if frame.format.is_planar:
        samples = samples.T
    floats: Floats = np.ascontiguousarray(samples, np.float32).reshape(-1)
    if samples.dtype.kind == "u":
        return (floats - np.float32(128)) / np.float32(128)
    if samples.dtype.kind == "i":
        return floats / np.float32(2 ** (8 * samples.dtype.itemsize - 1))
    return _in_range(floats)


def _in_range(floats: Floats) -> Floats:
    if floats.size and np.maximum.reduce(floats) <= 1.0 and np.minimum.reduce(floats) >= -1.0:
        return floats
    return np.clip(np.nan_to_num(floats, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
