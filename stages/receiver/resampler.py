"""Resamples a stream to 16 kHz with a short filter: little is held back, and nothing after a drain."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE

Floats: TypeAlias = npt.NDArray[np.float32]

# The filter's middle (-6 dB) and the width of its slope, as parts of half the lower rate: of a telephone's
# 4 kHz it lets 3.4 pass as they are. A narrower slope would look further ahead.
CUTOFF: Final = 0.95
SLOPE: Final = 0.2
# Decibels by which images and aliases are below the sound. What G.711 itself adds is only 38 below it.
ATTENUATION_DB: Final = 60.0
# Positions between two samples that have a filter of their own. All have at the usual rates; at others the
# nearest is taken.
MOST_PHASES: Final = 1024
FEW_PHASES: Final = 4  # Up to so many, a pass for each is faster than a copy of filters and sound.
NOTHING: Final[Floats] = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Filter:
    """Makes `up` samples of `down`. Row i of `phases` is for a position i parts of a sample behind one."""

    up: int
    down: int
    half: int  # input samples that it looks ahead
    phases: Floats


class Resampler:
    """Resamples one channel. Output sample k is the sound at k / 16,000 s, however the input is divided."""

    def __init__(self, rate: int) -> None:
        self._filter = _design_filter(rate)
        self._kept: Floats = np.zeros(self._filter.half, np.float32)  # input that is still looked at
        self._first = -self._filter.half  # the index of the first of them since the stream began
        self._produced = 0

    def resample(self, samples: Floats) -> Floats:
        """The samples that `samples` completes."""
        f = self._filter
        self._kept = np.concatenate((self._kept, samples))
        known = self._first + len(self._kept) - f.half
        return self._produce(self._kept, -(-known * f.up // f.down))

    def drain(self) -> Floats:
        """The samples held back, as if the last of the input went on; more may follow."""
        f = self._filter
        received = self._first + len(self._kept)
        padded = np.concatenate((self._kept, np.repeat(self._kept[-1:], f.half)))
        return self._produce(padded, (2 * received * f.up + f.down) // (2 * f.down))

    def _produce(self, samples: Floats, end: int) -> Floats:
        """All output before sample `end`, from `samples`, which begin where those kept do."""
        if end <= self._produced:
            return NOTHING
        begin, self._produced = self._produced, end
        few = self._filter.up <= FEW_PHASES
        result = (self._filter_by_phase if few else self._filter_each)(samples, begin, end)
        self._forget()
        return result

    def _filter_by_phase(self, samples: Floats, begin: int, end: int) -> Floats:
        """Where few filters take turns: each of them over all its samples, without a copy."""
        f, result = self._filter, np.empty(end - begin, np.float32)
        for at in range(min(f.up, end - begin)):
            position = (begin + at) * f.down
            start = position // f.up - f.half + 1 - self._first
            windows = _windows(samples[start:], 2 * f.half, f.down)[: -(-(end - begin - at) // f.up)]
            np.einsum("kt,t->k", windows, f.phases[position % f.up], out=result[at :: f.up])
        return result

    def _filter_each(self, samples: Floats, begin: int, end: int) -> Floats:
        """Where many filters take turns: one by one for each sample."""
        f = self._filter
        position = np.arange(begin * f.down, end * f.down, f.down, dtype=np.int64)
        whole = position // f.up
        parts = len(f.phases) - 1
        rows = ((position - whole * f.up) * parts + f.up // 2) // f.up
        windows = _windows(samples, 2 * f.half, 1)[whole + (1 - f.half - self._first)]
        return np.asarray(np.einsum("kt,kt->k", windows, f.phases[rows]), np.float32)

    def _forget(self) -> None:
        """Keep only the input that the next output sample looks at."""
        f = self._filter
        first = min(self._produced * f.down // f.up - f.half + 1, self._first + len(self._kept))
        self._kept = self._kept[first - self._first :].copy()
        self._first = first


def _windows(samples: Floats, length: int, step: int) -> Floats:
    """All runs of `length` samples that begin `step` apart, without a copy; `samples` are contiguous."""
    count = (len(samples) - length) // step + 1
    return np.ndarray((count, length), np.float32, samples, strides=(4 * step, 4))


@lru_cache(maxsize=16)
def _design_filter(rate: int) -> Filter:
    """A sinc under a Kaiser window, moved by each part of a sample, with a gain of 1 for what is constant."""
    common = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    nyquist = min(rate, SAMPLE_RATE) / 2 / rate  # in cycles per input sample, like all that follows
    half = math.ceil((ATTENUATION_DB - 8) / (2.285 * 2 * math.pi * SLOPE * nyquist) / 2)
    parts = min(up, MOST_PHASES)
    distance = np.arange(1 - half, half + 1) - np.arange(parts + 1)[:, None] / parts
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2)))
    phases = np.sinc(2 * CUTOFF * nyquist * distance) * window
    phases /= phases.sum(axis=1, keepdims=True)
    return Filter(up, down, half, phases.astype(np.float32))
