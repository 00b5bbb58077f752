"""Reads the header of a WAV file from a stream that can't be rewound, or that nobody closed."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

UNCLOSED: Final = 0x7FFF_0000  # Bytes; a size from here on, or 0, is what programs write that do not know it.
MAX_CHUNK_BYTES: Final = 1 << 24  # Bytes of a chunk before the audio; a larger one is no header.
_EXTENSIBLE: Final = 0xFFFE  # The format tag that says: the tag is further behind.
_SUBTYPES: Final = {  # libsndfile's names by format tag and bits of a sample
    (1, 8): "PCM_U8",
    (1, 16): "PCM_16",
    (1, 24): "PCM_24",
    (1, 32): "PCM_32",
    (3, 32): "FLOAT",
    (3, 64): "DOUBLE",
    (6, 8): "ALAW",
    (7, 8): "ULAW",
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """How the samples are written, and how many bytes of them there are; None where it is not known."""

    subtype: str
    sample_rate: int  # Hz
    channels: int
    frame_bytes: int  # Bytes of one sample of all channels
    size: int | None


def is_wav(head: bytes) -> bool:
    """Whether a file that starts so is a WAV file."""
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def read_wav_header(read: Callable[[int], bytes]) -> WavHeader:
    """The header; `read` gives as many bytes as it is asked for, and stands behind the header then.

    Raises:
        ValueError: it is not a WAV file of samples; the text says why.
    """
    if not is_wav(read(12)):
        raise ValueError("not a WAV file")
    form = b""
    while len(start := read(8)) == 8:
        name, size = start[:4], struct.unpack("<I", start[4:])[0]
        if name == b"data":
            return _header(form, None if size == 0 or size >= UNCLOSED else size)
        if size > MAX_CHUNK_BYTES:
            break
        body = read(size + size % 2)
        form = body if name == b"fmt " else form
    raise ValueError("a WAV file without audio")


def _header(form: bytes, size: int | None) -> WavHeader:
    if len(form) < 16:
        raise ValueError("a WAV file that does not say its format")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = struct.unpack("<H", form[24:26])[0]
    subtype = _SUBTYPES.get((tag, bits))
    if subtype is None or not channels or not rate or frame_bytes != channels * bits // 8:
        raise ValueError(f"a WAV file of an unknown kind: format {tag}, {bits} bits")
    return WavHeader(subtype, rate, channels, frame_bytes, size)
