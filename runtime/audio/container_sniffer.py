"""Recognizes a file or a compressed stream by its first bytes, where raw samples were announced."""

from collections.abc import Callable
from typing import Final

from dalston_realtime.protocol.audio import Encoding

HEAD_BYTES: Final = (
    6_144  # Bytes that are looked at: three frames of MPEG audio, of which the longest has 2880.
)
MPEG_FRAMES: Final = (
    3  # Headers that must follow each other at the right distances: one alone is common in PCM.
)
LONGEST_FTYP: Final = 1_024  # Bytes of the first box of an MP4 file, which is a list of short names.

WAV: Final = "a WAV file"


class ContainerSniffer:
    """Looks at the begin of one stream; not at all where the stream goes on that another worker began."""

    def __init__(self, *, goes_on: bool) -> None:
        self._head: bytes | None = None if goes_on else b""

    def inspect(self, data: bytes) -> str | None:
        """What the stream looks like, said once; None where it looks like samples, or can't be told yet."""
        if self._head is None:
            return None
        self._head += data[: HEAD_BYTES - len(self._head)]
        found = container_of(self._head)
        if found or len(self._head) == HEAD_BYTES:
            self._head = None
        return found


def container_of(head: bytes) -> str | None:
    """What begins with these bytes, None where it may well be samples."""
    return next((name for name, matches in _CONTAINERS if matches(head)), None)


def describe_container(name: str, encoding: Encoding) -> str:
    """What was seen, and what would be right."""
    return (
        f"the audio begins like {name}, but encoding={encoding} is samples without a container:"
        " set encoding=container, or send the samples alone"
    )


def _is_wav(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def _is_matroska(head: bytes) -> bool:
    return head[:4] == b"\x1a\x45\xdf\xa3"


def _is_ogg(head: bytes) -> bool:
    return head[:5] == b"OggS\0"


def _is_flac(head: bytes) -> bool:
    return head[:5] in (b"fLaC\0", b"fLaC\x80")


def _is_mp4(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and 8 <= int.from_bytes(head[:4], "big") <= LONGEST_FTYP


def _is_tagged_mp3(head: bytes) -> bool:
    """ID3: a version, flags of which the low four are not used, and a length in bytes of seven bits."""
    if head[:3] != b"ID3" or len(head) < 10:
        return False
    return head[3] in (2, 3, 4) and head[4] < 0xFF and not head[5] & 0x0F and max(head[6:10]) < 0x80


def _is_mpeg(head: bytes) -> bool:
    """Whether headers of the same version, layer and rate follow each other, each a frame behind the last."""
    at, kind = 0, head[1:2]
    for _ in range(MPEG_FRAMES):
        header = head[at : at + 4]
        length = _mpeg_frame_bytes(header)
        if not length or (header[1] ^ kind[0]) & 0x1E or (header[2] ^ head[2]) & 0x0C:
            return False
        at += length
    return True


def _mpeg_frame_bytes(header: bytes) -> int:
    """Bytes of the frame of layer II or III that begins with this header, 0 where it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in _LAYERS or bit_rate in (0, 15) or rate == 3 or header[3] & 3 == 2:
        return 0
    bits_per_second = _BIT_RATES[version == _MPEG_1, layer][bit_rate - 1] * 1000
    hertz = _MPEG_1_RATES[rate] >> _HALVINGS[version]
    samples = 576 if layer == _LAYER_3 and version != _MPEG_1 else 1_152
    return samples // 8 * bits_per_second // hertz + (header[2] >> 1 & 1)


_MPEG_1, _LAYER_2, _LAYER_3 = 3, 2, 1  # As the header has them.
_LAYERS: Final = (_LAYER_2, _LAYER_3)  # Nobody sends layer I, and in quiet samples its sync is common: FF FF.
_MPEG_1_RATES: Final = (44_100, 48_000, 32_000)  # Hz
_HALVINGS: Final = {_MPEG_1: 0, 2: 1, 0: 2}  # Of the rate, by version: MPEG-1, MPEG-2, MPEG-2.5.
_LOW_BIT_RATES: Final = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_BIT_RATES: Final = {
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_2): _LOW_BIT_RATES,
    (False, _LAYER_3): _LOW_BIT_RATES,
}
"""Thousands of bits per second, by whether it is MPEG-1 and by layer."""

_CONTAINERS: Final[tuple[tuple[str, Callable[[bytes], bool]], ...]] = (
    (WAV, _is_wav),
    ("WebM or Matroska", _is_matroska),
    ("Ogg", _is_ogg),
    ("FLAC", _is_flac),
    ("MP4", _is_mp4),
    ("MP3", _is_tagged_mp3),
    ("MP3", _is_mpeg),
)
