"""Makes 16 kHz s16le of a client's samples: decodes them, and converts what comes of it."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import ENCODED_BYTES, SAMPLE_RATE, Encoding
from runtime.audio.sample_converter import Floats, SampleConverter


class AudioInput:
    """Decodes one session's stream. A frame may end in the middle of a sample: the rest is kept."""

    def __init__(
        self, encoding: Encoding, sample_rate: int, channels: int, *, separate: bool = False
    ) -> None:
        """`separate` keeps the channels apart: what comes of it is interleaved as the input is."""
        self._decode = _DECODERS[encoding]
        self._frame_bytes = ENCODED_BYTES[encoding] * channels
        self._rest = b""
        self._converter = SampleConverter(sample_rate, channels, separate=separate)
        unmixed = channels == 1 or separate
        self._plain = encoding == "pcm_s16le" and unmixed and sample_rate == SAMPLE_RATE

    @property
    def inverted_channels(self) -> tuple[int, ...]:
        """The channels of opposite phase, counted from 1, which would cancel the others in the mix."""
        return self._converter.inverted_channels

    def decode_bytes(self, data: bytes) -> bytes:
        """The samples that `data` completes."""
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        return data[:whole] if self._plain else self._converter.convert(self._decode(data[:whole]))

    def drain(self) -> bytes:
        """What the resampler holds back; more may follow. An incomplete last sample is no sound."""
        return self._converter.drain()


def _from_s16(data: bytes) -> Floats:
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def _from_f32(data: bytes) -> Floats:
    """Not-a-number is silence; infinities and what is beyond full scale are full scale."""
    samples = np.frombuffer(data, "<f4").astype(np.float32)
    return np.asarray(np.clip(np.nan_to_num(samples, nan=0.0), -1, 1), np.float32)


def _from_table(table: Floats) -> Callable[[bytes], Floats]:
    return lambda data: table[np.frombuffer(data, np.uint8)]


def _mulaw_table() -> Floats:
    """ITU-T G.711 mu-law: sign, three bits of exponent, four of mantissa, all inverted; bias 33."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = ((2 * mantissa.astype(np.int32) + 33) << exponent) - 33
    return _full_scale(np.where(code & 128, -magnitude, magnitude), 8192)


def _alaw_table() -> Floats:
    """ITU-T G.711 A-law: even bits inverted; exponent 0 is linear; a set sign bit is positive."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    linear = 2 * mantissa + 1
    magnitude = np.where(exponent == 0, linear, (linear + 32) << np.maximum(exponent, 1) - 1)
    return _full_scale(np.where(code & 128, magnitude, -magnitude), 4096)


def _full_scale(values: npt.NDArray[Any], full: int) -> Floats:
    return (values / full).astype(np.float32)


_DECODERS: Final[dict[Encoding, Callable[[bytes], Floats]]] = {
    "pcm_s16le": _from_s16,
    "pcm_f32le": _from_f32,
    "mulaw": _from_table(_mulaw_table()),
    "alaw": _from_table(_alaw_table()),
}
