"""Decodes an uploaded file with PyAV, block by block, into mono audio at 16 kHz.

FFmpeg reads more than audio files: playlists that name other files and addresses, among others. Only the
formats below are tried, and none of them may open anything else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from enhancement.stage_work import BadJobInput
from runtime.audio.channel_mixer import ChannelMixer

FORMATS: Final = (
    "aac,ac3,aiff,amr,amrnb,amrwb,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,"
    "mpeg,mpegts,ogg,opus,spdif,tta,w64,wav,wv"
)
OPTIONS: Final = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
MOST_CHANNELS: Final = 8  # As many as a live session may have.
MAX_HOURS: Final = 8  # Hours of a recording; a file of some kilobytes can hold days of silence.
LEAST_BYTES_S: Final = 250  # Bytes a second that speech takes at least: a header that says less may lie.
UNREADABLE: Final = "it is no audio or video file that can be read"


@contextmanager
def open_media_file(file: IO[bytes]) -> Iterator["MediaFile"]:
    """An uploaded file, whatever its format.

    Raises:
        BadJobInput: it is empty, or has no audio that can be decoded.
    """
    import av

    size = file.seek(0, 2)
    file.seek(0)
    if not size:
        raise BadJobInput("the file is empty")
    try:
        container = av.open(file, mode="r", options=OPTIONS)
    except (av.FFmpegError, ValueError, UnicodeDecodeError):
        raise BadJobInput(UNREADABLE) from None
    with container:
        if not container.streams.audio:
            raise BadJobInput("there is no audio in the file")
        yield MediaFile(container, file, size)


class MediaFile:
    """The first audio of a file that is open."""

    def __init__(self, container: Any, file: IO[bytes], size: int) -> None:
        self._container, self._file, self._size = container, file, size
        self._stream = container.streams.audio[0]
        self._form: tuple[Any, ...] = ()
        self._resampler: Any = None
        self._mixer: ChannelMixer | None = None

    @property
    def percent(self) -> float:
        """How much of the file is read."""
        return min(100.0, 100.0 * self._file.tell() / self._size)

    def blocks(self) -> Iterator[Floats]:
        """The audio [n], mono at 16 kHz; damaged places are left out.

        Raises:
            BadJobInput: nothing can be decoded, or it is too long.
        """
        self._check_length()
        samples = 0
        for block in self._decoded():
            samples += len(block)
            if samples > MAX_HOURS * 3_600 * SAMPLE_RATE:
                raise _too_long()
            yield block
        if not samples:
            raise BadJobInput("no audio in the file can be decoded")

    def _check_length(self) -> None:
        """Refuse at once what is too long, where the size of the file makes that believable."""
        import av

        seconds = (self._container.duration or 0) / av.time_base
        if seconds > MAX_HOURS * 3_600 and self._size >= seconds * LEAST_BYTES_S:
            raise _too_long()

    def _decoded(self) -> Iterator[Floats]:
        for frame in self._frames():
            form = (frame.sample_rate, frame.layout.name, frame.format.name)
            if form != self._form:
                yield from self._mixed(None)
                self._begin(form, len(frame.layout.channels))
            yield from self._mixed(frame)
        yield from self._mixed(None)

    def _frames(self) -> Iterator[Any]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from packet.decode()
                except av.FFmpegError:
                    continue  # A damaged place costs its own packet.
        except (av.FFmpegError, ValueError):
            return  # The file breaks off.

    def _begin(self, form: tuple[Any, ...], channels: int) -> None:
        import av

        if not 1 <= channels <= MOST_CHANNELS:
            raise BadJobInput(f"the audio has {channels} channels, and at most {MOST_CHANNELS} are taken")
        self._form = form
        self._resampler = av.AudioResampler(format="flt", layout=form[1], rate=SAMPLE_RATE)
        self._mixer = ChannelMixer(channels, SAMPLE_RATE) if channels > 1 else None

    def _mixed(self, frame: Any) -> Iterator[Floats]:
        if self._resampler is None:
            return
        for found in self._resampler.resample(frame):
            samples = np.asarray(found.to_ndarray(), np.float32).reshape(-1)
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
            yield samples if self._mixer is None else self._mixer.mix(samples)


def _too_long() -> BadJobInput:
    return BadJobInput(f"the recording is longer than {MAX_HOURS} hours")
