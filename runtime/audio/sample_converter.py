"""Makes 16 kHz s16le of samples of any rate: mixes or separates their channels, and resamples them."""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.audio.channel_mixer import ChannelMixer
from runtime.audio.resampler import Resampler

Floats: TypeAlias = npt.NDArray[np.float32]

FULL_SCALE: Final = np.float32(32_768)  # Of 16 bit: what 1.0 is.


class SampleConverter:
    """Converts one stream of interleaved samples, -1..1; `separate` keeps its channels apart, interleaved."""

    def __init__(self, sample_rate: int, channels: int, *, separate: bool = False) -> None:
        apart = channels if separate else 1
        self._mixer = ChannelMixer(channels, sample_rate) if channels > apart else None
        resampled = sample_rate != SAMPLE_RATE
        self._resamplers = [Resampler(sample_rate) for _ in range(apart)] if resampled else []

    @property
    def inverted_channels(self) -> tuple[int, ...]:
        """The channels of opposite phase, counted from 1, which would cancel the others in the mix."""
        return () if self._mixer is None else self._mixer.inverted

    def convert(self, samples: Floats) -> bytes:
        """What whole sample frames complete."""
        if self._mixer is not None:
            samples = self._mixer.mix(samples)
        return _to_s16(self._resample(samples) if self._resamplers else samples)

    def drain(self) -> bytes:
        """What the resampler holds back; more may follow."""
        return _to_s16(_interleaved([each.drain() for each in self._resamplers]))

    def _resample(self, samples: Floats) -> Floats:
        if len(self._resamplers) == 1:
            return self._resamplers[0].resample(samples)
        parts = samples.reshape(-1, len(self._resamplers)).T
        return _interleaved([each.resample(part) for each, part in zip(self._resamplers, parts, strict=True)])


def _interleaved(channels: list[Floats]) -> Floats:
    """Sample frames of channels of the same length, which is what all resamplers make of the same length."""
    if len(channels) == 1:
        return channels[0]
    return np.stack(channels, axis=1).reshape(-1) if channels else np.zeros(0, np.float32)


def _to_s16(samples: Floats) -> bytes:
    scaled = samples * FULL_SCALE
    np.rint(scaled, out=scaled)
    np.maximum(scaled, -FULL_SCALE, out=scaled)  # Quicker than `np.clip`: it is called for each packet.
    np.minimum(scaled, FULL_SCALE - 1, out=scaled)
    return bytes(scaled.astype("<i2").data)
