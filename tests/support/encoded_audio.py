"""Encodes sound into the containers and packets that clients send."""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]

RATE: Final = 48_000  # Hz of the sound that is encoded.
SECONDS: Final = 2.0

FORMS: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "webm": ("webm", "libopus", {"live": "1", "cluster_time_limit": "100"}),
    "ogg": ("ogg", "libopus", {"page_duration": "100000"}),
    "fragmented mp4": (
        "mp4",
        "aac",
        {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"},
    ),
    "mp3": ("mp3", "libmp3lame", {}),
    "flac": ("flac", "flac", {}),
    "wav": ("wav", "pcm_s16le", {}),
}
"""The format, the codec and the options of each container, as they come of a recorder that can't seek."""


def sound(channels: int = 1, seconds: float = SECONDS) -> Sound:
    """Tones that swell [channels, n], each channel another one."""
    at = np.arange(round(RATE * seconds)) / RATE
    tones = [np.sin(2 * np.pi * 220 * (n + 1) * at) * np.sin(np.pi * 3 * at) ** 2 for n in range(channels)]
    return np.asarray(np.stack(tones) * 0.4, np.float32)


@cache
def container(name: str, channels: int = 1, seconds: float = SECONDS) -> bytes:
    """The sound in a container, as a stream."""
    form, codec, options = FORMS[name]
    return encode(form, codec, sound(channels, seconds), options)


@cache
def late_mp4() -> bytes:
    """An MP4 with its index behind its audio, as most programs write it."""
    return encode("mp4", "aac", sound(), {}, seekable=True)


def encode(
    form: str, codec: str, samples: Sound, options: Mapping[str, str], *, seekable: bool = False
) -> bytes:
    """Samples [channels, n] in a container."""
    file = io.BytesIO()
    target: Any = file if seekable else _Unseekable(file)
    with av.open(target, "w", format=form, options=dict(options)) as out:
        stream: Any = out.add_stream(codec, rate=RATE)
        stream.layout = _layout(len(samples))
        for packet in _packets(stream, samples):
            out.mux(packet)
    return file.getvalue()


def opus_packets(channels: int = 1, seconds: float = SECONDS) -> list[bytes]:
    """The sound as raw packets of 20 ms."""
    context: Any = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.format, context.layout = RATE, "flt", _layout(channels)
    context.options = {"mapping_family": "1"} if channels > 2 else {}
    return [bytes(packet) for packet in _packets(context, sound(channels, seconds)) if packet.size]


def _packets(encoder: Any, samples: Sound) -> Iterator[Any]:
    interleaved = np.ascontiguousarray(samples.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(interleaved, format="flt", layout=_layout(len(samples)))
    frame.sample_rate = RATE
    context = getattr(encoder, "codec_context", encoder)
    if not context.is_open:
        context.open()
    resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=RATE)
    fifo = av.AudioFifo()
    for each in (*resampler.resample(frame), *resampler.resample(None)):
        each.pts = None
        fifo.write(each)
    while (part := fifo.read(context.frame_size or 1_024) or fifo.read(0, partial=True)) is not None:
        yield from encoder.encode(part)
    yield from encoder.encode(None)


def _layout(channels: int) -> str:
    return {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[channels]


class _Unseekable:
    """A file that can be written to and nothing else."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)
