"""Resamples a stream to 16 kHz with a short filter: little is held back, and nothing after a drain."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE

Floats: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

# The filter's middle (-6 dB) and the width of its slope, as parts of half the lower rate: of a telephone's
# 4 kHz it lets 3.4 pass as they are. A narrower slope would look further ahead.
CUTOFF: Final = 0.95
SLOPE: Final = 0.2
# Decibels by which images and aliases are below the sound. What G.711 itself adds is only 38 below it.
ATTENUATION_DB: Final = 60.0
# Positions between two samples that have a filter of their own. All have at the usual rates; at others the
# nearest is taken.
MOST_PHASES: Final = 1024
FEW_PHASES: Final = 4  # Up to so many, a pass for each is faster than a copy of the sound.
# Floats of sound that are copied at a time, 96 kB. They stay in the cache; from 128 kB on, malloc takes fresh
# pages from the kernel for each copy, which takes longer than the work. The longest filter has 436.
BLOCK: Final = 24_000
NOTHING: Final[Floats] = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Filter:
    """Makes `up` samples of `down`.

    - half: input samples that it looks ahead.
    - starts: the first input sample that each of the `up` looks at, counted from the first of the `down`.
    - phases: a row of factors for each of the `up` samples, or for each of fewer positions.
    - rows: the row for each of the `up` samples, where there are fewer rows.
    """

    up: int
    down: int
    half: int
    starts: Indices
    phases: Floats
    rows: Indices | None

    def factors(self, part: slice) -> Floats:
        """A row for each sample of a part of the `up`; without a copy, if each has a row of its own."""
        return self.phases[part] if self.rows is None else self.phases[self.rows[part]]


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
            turn, number = divmod(begin + at, f.up)
            start = turn * f.down + int(f.starts[number]) - self._first
            windows = _windows(samples[start:], 2 * f.half, f.down)[: -(-(end - begin - at) // f.up)]
            np.einsum("kt,t->k", windows, f.phases[number], out=result[at :: f.up])
        return result

    def _filter_each(self, samples: Floats, begin: int, end: int) -> Floats:
        """Where many filters take turns: the samples of a part of a turn, each with its own."""
        f, result = self._filter, np.empty(end - begin, np.float32)
        windows, at = _windows(samples, 2 * f.half, 1), begin
        while at < end:
            turn, number = divmod(at, f.up)
            count = min(f.up - number, end - at, BLOCK // (2 * f.half))
            part = slice(number, number + count)
            sound = windows[f.starts[part] + (turn * f.down - self._first)]
            np.einsum("kt,kt->k", sound, f.factors(part), out=result[at - begin : at - begin + count])
            at += count
        return result

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
    """The filter from `rate` to 16 kHz."""
    common = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    nyquist = min(rate, SAMPLE_RATE) / 2 / rate  # in cycles per input sample
    half = math.ceil((ATTENUATION_DB - 8) / (2.285 * 2 * math.pi * SLOPE * nyquist) / 2)
    whole, part = np.divmod(np.arange(up, dtype=np.int64) * down, up)
    rows = None
    if up <= MOST_PHASES:
        phases = _design_phases(half, nyquist, part / up)
    else:
        phases = _design_phases(half, nyquist, np.arange(MOST_PHASES + 1) / MOST_PHASES)
        rows = (part * MOST_PHASES + up // 2) // up
    return Filter(up, down, half, whole + 1 - half, phases, rows)


def _design_phases(half: int, nyquist: float, parts: npt.NDArray[np.float64]) -> Floats:
    """A sinc under a Kaiser window, moved by each part of a sample, with a gain of 1 for what is constant."""
    distance = np.arange(1 - half, half + 1) - parts[:, None]
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (distance / half) ** 2)))
    phases = np.sinc(2 * CUTOFF * nyquist * distance) * window
    phases /= phases.sum(axis=1, keepdims=True)
    return phases.astype(np.float32)
