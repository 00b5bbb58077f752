"""Computes the spectrum that the network of voices takes: Kaldi's log mel energies, vectorized in numpy.

The same as `torchaudio.compliance.kaldi.fbank` with 80 bands, without dither; Kaldi's own source, in
feat/feature-window.cc and feat/mel-computations.cc, defines each step.
"""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.base import Floats

RATE: Final = 16_000  # Samples a second.
FRAME: Final = 400  # Samples (25 ms) of a frame.
HOP: Final = 160  # Samples (10 ms) between two frames.
FOURIER: Final = 512  # Samples of the transform: the frame's, up to a power of two.
BANDS: Final = 80
LOWEST_HZ: Final = 20.0  # Lower edge of the first band; the last one ends at half of the rate.
EMPHASIS: Final = 0.97  # Part of the sample before that is taken off each sample.
FLOOR: Final = float(np.finfo(np.float32).eps)  # The least energy of a band, before its logarithm.
AT_ONCE: Final = 3_000  # Frames (30 s) that are computed together, so that memory stays small.


def count_frames(samples: int) -> int:
    """The whole frames in so many samples."""
    return max(0, 1 + (samples - FRAME) // HOP)


def fbank(audio: Floats) -> Floats:
    """The log energies [frames, 80] of audio [samples], -1..1; no frames if it is shorter than 25 ms."""
    frames = count_frames(len(audio))
    parts = [_fbank(audio, first, min(frames, first + AT_ONCE)) for first in range(0, frames, AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros((0, BANDS), np.float32)


def _fbank(audio: Floats, first: int, last: int) -> Floats:
    part = audio[first * HOP : (last - 1) * HOP + FRAME]
    x = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP].astype(np.float64)
    x -= x.mean(axis=1, keepdims=True)
    x -= EMPHASIS * np.concatenate([x[:, :1], x[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(x * _window(), FOURIER)) ** 2
    return np.log(np.maximum(power @ _bands(), FLOOR)).astype(np.float32)


@cache
def _window() -> npt.NDArray[np.float64]:
    """Kaldi's own window: a Hann window to the power of 0.85."""
    return np.asarray(np.hanning(FRAME) ** 0.85)


@cache
def _bands() -> npt.NDArray[np.float64]:
    """The weights [257, 80] of the triangular bands; edges are evenly spaced on the mel scale."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(RATE / 2), BANDS + 2)
    bins = _mel(np.arange(FOURIER // 2 + 1) * RATE / FOURIER)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle))
    triangles[-1] = 0  # Kaldi leaves out the bin of half the rate.
    return np.asarray(np.maximum(triangles, 0))


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(1127 * np.log1p(np.asarray(hz) / 700), np.float64)
