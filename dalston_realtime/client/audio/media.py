"""Decodes with PyAV what libsndfile does not read, such as m4a, mp4, webm and aac."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dalston_realtime.client.audio.audio_file import AudioFile, rechunked, unreadable
from dalston_realtime.client.errors import AudioError
from dalston_realtime.protocol.audio import SAMPLE_RATE

_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide")  # Second word of mp4, m4a, mov and 3gp.
_STARTS: Final = (
    b"\x1a\x45\xdf\xa3",  # webm, mkv
    b"\x30\x26\xb2\x75",  # wma, wmv
    b"\xff\xf1",  # aac
    b"\xff\xf9",  # aac
    b"#!AMR",
    b"FLV",
)


def is_media(head: bytes) -> bool:
    """Whether a file that starts so is a container for PyAV."""
    return head[4:8] in _BOXES or head.startswith(_STARTS)


@contextmanager
def open_media(path: Path, *, separate: bool = False) -> Iterator[AudioFile]:
    """The first audio of the container at `path` in chunks of 100 ms, its channels mixed or `separate`.

    Raises:
        AudioError: PyAV is not there, or finds no audio; from `chunks` where it is broken on the way.
    """
    av = _pyav(path)
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise unreadable(path, error) from None
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path}: there is no audio in it")
        duration = container.duration / av.time_base if container.duration else None
        layout = container.streams.audio[0].layout if separate else av.AudioLayout("mono")
        channels = layout.nb_channels
        yield AudioFile(duration, rechunked(_decoded(av, container, path, layout), channels), channels)


def _pyav(path: Path) -> Any:
    try:
        import av
    except ModuleNotFoundError:
        raise AudioError(
            f"{path}: m4a, mp4, webm and aac need the extra: pip install 'dalston-realtime[media]'"
        ) from None
    return av


def _decoded(av: Any, container: Any, path: Path, layout: Any) -> Iterator[bytes]:
    """The audio as s16le at 16 kHz, in the blocks that the container has."""
    resampler = av.AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)
    try:
        for frame in container.decode(audio=0):
            yield from _samples(resampler.resample(frame))
    except av.FFmpegError as error:
        raise unreadable(path, error) from None
    yield from _samples(resampler.resample(None))


def _samples(frames: Any) -> Iterator[bytes]:
    return (frame.to_ndarray().astype("<i2").tobytes() for frame in frames)
