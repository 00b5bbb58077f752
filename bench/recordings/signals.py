"""Generates sounds in which nobody speaks, from a seed: 16 kHz, -1 to 1."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE

Floats: TypeAlias = npt.NDArray[np.float32]
Signal: TypeAlias = Callable[[int, np.random.Generator], npt.NDArray[np.float64]]

BEAT_S: Final = 0.5  # Seconds; 120 beats a minute is a usual tempo.
CHORDS: Final = (
    (0, 4, 7, 12),
    (-3, 0, 4, 9),
    (5, 9, 12, 17),
    (-5, -1, 2, 7),
)  # Semitones from the root: I vi IV V, a usual progression.
ROOT: Final = 220.0  # Hz, in the range of voices, so that a VAD may take it for one.
PARTIALS: Final = (
    (1, 1.0),
    (2, 0.5),
    (3, 0.28),
    (4, 0.15),
    (5, 0.08),
)  # Number and amplitude of the partials of a plucked string.


def generate(name: str, seconds: float, seed: int) -> Floats:
    """Generate so many seconds of the signal of this name."""
    samples = SIGNALS[name](round(seconds * SAMPLE_RATE), np.random.default_rng(seed))
    return samples.astype(np.float32)


def at_level(samples: npt.NDArray[np.float64], decibels: float) -> npt.NDArray[np.float64]:
    """Scale the samples to an RMS of so many dB relative to full scale."""
    rms = float(np.sqrt(np.mean(samples**2))) or 1.0
    return np.clip(samples * (10 ** (decibels / 20) / rms), -1.0, 1.0)


def _silence(count: int, _random: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.zeros(count)


def _white(decibels: float) -> Signal:
    return lambda count, random: at_level(random.standard_normal(count), decibels)


def _pink(count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise whose power falls by 3 dB in each octave, like that of rooms and streets."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return at_level(np.fft.irfft(spectrum, count), -25.0)


def _hum(count: int, _random: np.random.Generator) -> npt.NDArray[np.float64]:
    """The hum of a bad cable: 50 Hz and its overtones."""
    time = np.arange(count) / SAMPLE_RATE
    return at_level(sum((np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8)), np.zeros(count)), -30.0)


def _music(count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Plucked chords, a melody above them, and a drum on every beat."""
    audio = np.zeros(count + SAMPLE_RATE)
    beat = round(BEAT_S * SAMPLE_RATE)
    for number, at in enumerate(range(0, count, beat)):
        chord = CHORDS[number // 4 % len(CHORDS)]
        notes = [*chord, 12 + int(random.choice(chord))]
        for note in notes:
            audio[at : at + 2 * beat] += _pluck(ROOT * 2 ** (note / 12), 2 * beat)[: count + SAMPLE_RATE - at]
        drum = random.standard_normal(beat // 4) * np.exp(-np.arange(beat // 4) / (0.02 * SAMPLE_RATE))
        audio[at : at + beat // 4] += 0.7 * drum
    return at_level(audio[:count], -20.0)


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
