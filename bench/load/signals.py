"""Sounds in which nobody speaks, made from a seed: 16 kHz, -1..1."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE

Floats: TypeAlias = npt.NDArray[np.float32]
Signal: TypeAlias = Callable[[int, np.random.Generator], npt.NDArray[np.float64]]

BEAT_S: Final = 0.5  # 120 beats a minute
CHORDS: Final = ((0, 4, 7, 12), (-3, 0, 4, 9), (5, 9, 12, 17), (-5, -1, 2, 7))  # I vi IV V, in semitones
ROOT: Final = 220.0  # Hz
PARTIALS: Final = ((1, 1.0), (2, 0.5), (3, 0.28), (4, 0.15), (5, 0.08))  # of a plucked string


def make(name: str, seconds: float, seed: int) -> Floats:
    """A signal by its name."""
    samples = SIGNALS[name](round(seconds * SAMPLE_RATE), np.random.default_rng(seed))
    return samples.astype(np.float32)


def level(samples: npt.NDArray[np.float64], decibels: float) -> npt.NDArray[np.float64]:
    """The samples with an RMS of so many dB below full scale."""
    rms = float(np.sqrt(np.mean(samples**2))) or 1.0
    return np.clip(samples * (10 ** (decibels / 20) / rms), -1.0, 1.0)


def _silence(count: int, _random: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.zeros(count)


def _white(decibels: float) -> Signal:
    return lambda count, random: level(random.standard_normal(count), decibels)


def _pink(count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Power falls by 3 dB in each octave: what rooms and streets sound like."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return level(np.fft.irfft(spectrum, count), -25.0)


def _hum(count: int, _random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A bad cable: 50 Hz and its overtones."""
    time = np.arange(count) / SAMPLE_RATE
    return level(sum((np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8)), np.zeros(count)), -30.0)


def _music(count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Plucked chords, a tune above them, a drum on every beat."""
    audio = np.zeros(count + SAMPLE_RATE)
    beat = round(BEAT_S * SAMPLE_RATE)
    for number, at in enumerate(range(0, count, beat)):
        chord = CHORDS[number // 4 % len(CHORDS)]
        notes = [*chord, 12 + int(random.choice(chord))]
        for note in notes:
            audio[at : at + 2 * beat] += _pluck(ROOT * 2 ** (note / 12), 2 * beat)[: count + SAMPLE_RATE - at]
        drum = random.standard_normal(beat // 4) * np.exp(-np.arange(beat // 4) / (0.02 * SAMPLE_RATE))
        audio[at : at + beat // 4] += 0.7 * drum
    return level(audio[:count], -20.0)


def _pluck(frequency: float, count: int) -> npt.NDArray[np.float64]:
    time = np.arange(count) / SAMPLE_RATE
    tones = sum((a * np.sin(2 * np.pi * k * frequency * time) for k, a in PARTIALS), np.zeros(count))
    return np.asarray(tones * np.exp(-3.0 * time))


SIGNALS: Final[Mapping[str, Signal]] = {
    "silence": _silence,
    "hiss, -60 dB": _white(-60.0),
    "white noise, -40 dB": _white(-40.0),
    "white noise, -20 dB": _white(-20.0),
    "pink noise, -25 dB": _pink,
    "hum, -30 dB": _hum,
    "music, -20 dB": _music,
}
