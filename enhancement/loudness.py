"""Measures how loud the speech in a recording is, block by block, and by how much it may be raised.

As in ITU-R BS.1770 blocks of 400 ms count whose level is above a gate, here without its filter for music.
"""

import math
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats

BLOCK: Final = SAMPLE_RATE * 2 // 5  # Samples (400 ms) whose level is one value.
SILENT_DB: Final = -70.0  # dB of full scale: blocks below say nothing.
GATE_DB: Final = 10.0  # dB below the mean of the others, from which a block is a pause.
TARGET_DB: Final = -23.0  # dB of full scale: usual for speech that was recorded with care.
MOST_DB: Final = 20.0  # dB: noise is raised as well.


class LoudnessMeter:
    """Takes all samples of a recording, one channel or the mean of all."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._powers: list[float] = []
        self._peak = 0.0

    def append(self, samples: Floats) -> None:
        """Measure samples [n], -1..1."""
        if len(samples):
            self._peak = max(self._peak, float(np.abs(samples).max()))
        joined = np.concatenate((self._rest, samples))
        whole = len(joined) // BLOCK * BLOCK
        blocks = joined[:whole].reshape(-1, BLOCK).astype(np.float64)
        self._powers += [float(power) for power in np.mean(blocks**2, axis=1)]
        self._rest = joined[whole:].copy()

    def level(self) -> float | None:
        """The level of what is loud, in dB of full scale; None where all is silent."""
        powers = self._powers or [
            float(np.mean(self._rest.astype(np.float64) ** 2)) if len(self._rest) else 0
        ]
        heard = [power for power in powers if power > _power(SILENT_DB)]
        if not heard:
            return None
        gate = sum(heard) / len(heard) * _power(-GATE_DB)
        loud = [power for power in heard if power > gate]
        return 10 * math.log10(sum(loud) / len(loud))

    def gain(self) -> float:
        """The factor that brings it to the usual level; never less than 1, and no sample is cut off."""
        level = self.level()
        if level is None or self._peak <= 0:
            return 1.0
        wanted = 10 ** (min(MOST_DB, TARGET_DB - level) / 20)
        return max(1.0, min(wanted, 1.0 / self._peak))


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))
