"""Writes and reads the headers of WAV files, in all encodings that a client may send.

The layout is that of Microsoft's RIFF WAVE: a `fmt ` chunk, and a `data` chunk that goes to the end.
"""

import struct
from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.audio import ENCODED_BYTES, SAMPLE_RATE, Encoding

_TAGS: Final[dict[Encoding, int]] = {"pcm_s16le": 1, "pcm_f32le": 3, "alaw": 6, "mulaw": 7}
_ENCODINGS: Final = {tag: encoding for encoding, tag in _TAGS.items()}
_SILENCE: Final[dict[Encoding, bytes]] = {
    "pcm_s16le": bytes(2),
    "pcm_f32le": bytes(4),
    "mulaw": b"\xff",
    "alaw": b"\xd5",
}
_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_BYTES: Final = _HEADER.size  # 44
LARGEST: Final = 0xFFFF_FFFF  # A size of 32 bits; players read a file that is longer to its end.


class BadWav(ValueError):
    """It is no WAV file of ours."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """How the samples of a file are written."""

    encoding: Encoding
    rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return ENCODED_BYTES[self.encoding] * self.channels

    def silence(self, frames: int) -> bytes:
        """So many sample frames of silence."""
        return _SILENCE[self.encoding] * (frames * self.channels)

    def header(self, frames: int) -> bytes:
        """The header of a file with so many sample frames."""
        size = frames * self.frame_bytes
        bits = 8 * ENCODED_BYTES[self.encoding]
        return _HEADER.pack(
            b"RIFF", min(size + HEADER_BYTES - 8, LARGEST), b"WAVE",
            b"fmt ", 16, _TAGS[self.encoding], self.channels, self.rate,
            self.rate * self.frame_bytes, self.frame_bytes, bits,
            b"data", min(size, LARGEST),
        )  # fmt: skip


def joined_format(channels: int) -> WavFormat:
    """The format of recordings that are joined: what the models hear."""
    return WavFormat("pcm_s16le", SAMPLE_RATE, channels)


def read_header(data: bytes) -> WavFormat:
    """The format that a header of ours says.

    Raises:
        BadWav: it is none.
    """
    try:
        riff, _, wave, fmt, size, tag, channels, rate, _, frame, _, name, _ = _HEADER.unpack(
            data[:HEADER_BYTES]
        )
        found = WavFormat(_ENCODINGS[tag], rate, channels)
    except (struct.error, KeyError):
        raise BadWav("no header of a WAV file") from None
    expected = b"RIFF", b"WAVE", b"fmt ", 16, b"data", found.frame_bytes
    if (riff, wave, fmt, size, name, frame) != expected:
        raise BadWav("no header of a WAV file")
    return found
