"""Turns the audio of Wyoming clients into samples of 16 bit, and its form into parameters of a session."""

from typing import Final

import msgspec
from msgspec.structs import replace

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig, parse_query
from gateway.realtime.wyoming.messages import SILENCE_BY_SENSITIVITY, Transcribe

WIDTHS: Final = (1, 2, 3, 4)  # Bytes of one sample that a client may send.

# Samples of 8 bit have no sign, as in WAV files: silence is 128.
_SIGNED: Final = bytes(value ^ 0x80 for value in range(256))


class AudioFormat(msgspec.Struct, frozen=True):
    """The form of a client's audio: samples a second, bytes of a sample, channels."""

    rate: int
    width: int
    channels: int


def session_config(audio: AudioFormat, asked: Transcribe, *, client_ends: bool) -> SessionConfig:
    """The session for a request; only where the server ends the audio, silence is as long as clients like it.

    Raises:
        InvalidParameter: such audio or such a language is not known.
    """
    if audio.width not in WIDTHS:
        widths = ", ".join(map(str, WIDTHS))
        raise InvalidParameter("width", f"samples have {widths} bytes, not {audio.width}")
    query = {"sample_rate": str(audio.rate), "channels": str(audio.channels)}
    query["language"] = asked.language or "auto"
    config = parse_query(query)
    config = replace(config, model=asked.name or "", vocabulary=asked.vocabulary)
    if client_ends:
        return config
    default = SILENCE_BY_SENSITIVITY["default"]
    return replace(config, min_silence_ms=SILENCE_BY_SENSITIVITY.get(asked.vad_sensitivity or "", default))


class SampleNarrower:
    """Brings samples of `width` bytes to 16 bit; a sample may begin in one piece and end in the next."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._rest = b""

    def narrow(self, data: bytes) -> bytes:
        """The samples that are complete now."""
        if self._width == BYTES_PER_SAMPLE:
            return data
        data = self._rest + data
        whole = len(data) - len(data) % self._width
        self._rest = data[whole:]
        return _upper_bytes(data[:whole], self._width)


def _upper_bytes(data: bytes, width: int) -> bytes:
    """The upper two bytes of each sample, which are the last ones."""
    narrow = bytearray(len(data) // width * BYTES_PER_SAMPLE)
    if width == 1:
        narrow[1::2] = data.translate(_SIGNED)
    else:
        narrow[0::2] = data[width - 2 :: width]
        narrow[1::2] = data[width - 1 :: width]
    return bytes(narrow)
