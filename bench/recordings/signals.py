"""Generates sounds in which nobody speaks, from a seed: 16 kHz, -1 to 1."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dalston_realtime.protocol.audio import SAMPLE_RATE

Floats: TypeAlias = npt.NDArray[np.float32]
Samples: TypeAlias = npt.NDArray[np.float64]
Signal: TypeAlias = Callable[[int, np.random.Generator], Samples]
Partials: TypeAlias = tuple[tuple[float, float], ...]

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

DTMF_ROWS: Final = (697, 770, 852, 941)  # Hz, of ITU-T Q.23.
DTMF_COLUMNS: Final = (1_209, 1_336, 1_477, 1_633)  # Hz
SCALE: Final = (0, 2, 4, 5, 7, 9, 11, 12)  # Semitones of a major scale.
BELL: Final = ((0.5, 0.6), (1, 1.0), (1.19, 0.8), (1.5, 0.5), (2, 0.7), (2.74, 0.3), (4.07, 0.15))
MARIMBA: Final = ((1, 1.0), (3.9, 0.3), (9.2, 0.08))
VOWELS: Final = (
    (730, 1_090, 2_440),
    (530, 1_840, 2_480),
    (270, 2_290, 3_010),
    (570, 840, 2_410),
    (300, 870, 2_240),
)  # Hz, the formants of a, e, i, o and u: Peterson and Barney, 1952.


def generate(name: str, seconds: float, seed: int) -> Floats:
    """Generate so many seconds of the signal of this name."""
    samples = SIGNALS[name](round(seconds * SAMPLE_RATE), np.random.default_rng(seed))
    return samples.astype(np.float32)


def at_level(samples: Samples, decibels: float) -> Samples:
    """Scale the samples to an RMS of so many dB relative to full scale."""
    rms = float(np.sqrt(np.mean(samples**2))) or 1.0
    return np.clip(samples * (10 ** (decibels / 20) / rms), -1.0, 1.0)


def _silence(count: int, _random: np.random.Generator) -> Samples:
    return np.zeros(count)


def _white(decibels: float) -> Signal:
    return lambda count, random: at_level(random.standard_normal(count), decibels)


def _pink(count: int, random: np.random.Generator) -> Samples:
    """Noise whose power falls by 3 dB in each octave, like that of rooms and streets."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
    return at_level(np.fft.irfft(spectrum, count), -25.0)


def _hum(count: int, _random: np.random.Generator) -> Samples:
    """The hum of a bad cable: 50 Hz and its overtones."""
    time = np.arange(count) / SAMPLE_RATE
    return at_level(sum((np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 8)), np.zeros(count)), -30.0)


def _music(count: int, random: np.random.Generator) -> Samples:
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


def _pluck(frequency: float, count: int) -> Samples:
    time = np.arange(count) / SAMPLE_RATE
    tones = sum((a * np.sin(2 * np.pi * k * frequency * time) for k, a in PARTIALS), np.zeros(count))
    return np.asarray(tones * np.exp(-3.0 * time))


def _dtmf(count: int, random: np.random.Generator) -> Samples:
    """Digits that somebody dials, in groups."""
    audio = np.zeros(count)
    at = SAMPLE_RATE // 2
    while at < count:
        for _ in range(int(random.integers(1, 12))):
            length = int(random.uniform(0.08, 0.3) * SAMPLE_RATE)
            pair = _tones(length, random.choice(DTMF_ROWS), random.choice(DTMF_COLUMNS))
            _add(audio, at, _faded(pair))
            at += length + int(random.uniform(0.05, 0.2) * SAMPLE_RATE)
        at += int(random.uniform(0.5, 3.0) * SAMPLE_RATE)
    return at_level(audio, -25.0)


def _cadence(on_s: float, off_s: float, *frequencies: float) -> Signal:
    """Tones that come and go, as a telephone exchange sends them."""

    def signal(count: int, _random: np.random.Generator) -> Samples:
        audio = np.zeros(count)
        for at in range(SAMPLE_RATE // 2, count, round((on_s + off_s) * SAMPLE_RATE)):
            _add(audio, at, _faded(_tones(round(on_s * SAMPLE_RATE), *frequencies)))
        return at_level(audio, -25.0)

    return signal


def _fax(count: int, random: np.random.Generator) -> Samples:
    """The tone of a calling fax, the answer, the slow handshake in two frequencies, and the fast data."""
    audio = np.zeros(count)
    at = SAMPLE_RATE // 2
    while at < count:
        bits = np.repeat(random.integers(0, 2, 450), SAMPLE_RATE // 300)
        handshake = np.sin(2 * np.pi * np.cumsum(np.where(bits, 1_650, 1_850)) / SAMPLE_RATE)
        parts = (_tones(SAMPLE_RATE // 2, 1_100), _tones(2 * SAMPLE_RATE, 2_100), handshake, _data(random))
        for part in parts:
            _add(audio, at, _faded(part))
            at += len(part) + SAMPLE_RATE // 2
    return at_level(audio, -25.0)


def _data(random: np.random.Generator) -> Samples:
    """Three seconds of quadrature modulation: 2400 symbols a second on a carrier of 1800 Hz."""
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    phases = np.pi / 2 * random.integers(0, 4, 3 * 2_400)
    return np.asarray(np.cos(2 * np.pi * 1_800 * time + phases[(time * 2_400).astype(int)]))


def _chimes(count: int, random: np.random.Generator) -> Samples:
    """Two to four strokes of a bell or of a marimba, as doors, lifts and telephones have them."""
    audio = np.zeros(count)
    at = SAMPLE_RATE // 2
    while at < count:
        partials = BELL if random.random() < 0.5 else MARIMBA
        root = random.uniform(250, 900)
        for _ in range(int(random.integers(2, 5))):
            note = root * 2 ** (int(random.choice(SCALE)) / 12)
            _add(audio, at, _struck(note, partials, random.uniform(2.0, 8.0)))
            at += int(random.uniform(0.15, 0.6) * SAMPLE_RATE)
        at += int(random.uniform(0.7, 2.5) * SAMPLE_RATE)
    return at_level(audio, -25.0)


def _claps(count: int, random: np.random.Generator) -> Samples:
    """Claps of hands, alone and in rows."""
    audio = np.zeros(count)
    at = SAMPLE_RATE // 2
    while at < count:
        for _ in range(int(random.integers(1, 8))):
            length = SAMPLE_RATE // 5
            noise = _band(random.standard_normal(length), 700, random.uniform(2_000, 4_000))
            _add(audio, at, noise * np.exp(-np.arange(length) / (random.uniform(0.005, 0.03) * SAMPLE_RATE)))
            at += int(random.uniform(0.2, 0.5) * SAMPLE_RATE)
        at += int(random.uniform(0.5, 2.0) * SAMPLE_RATE)
    return at_level(audio, -30.0)


def _breath(count: int, random: np.random.Generator) -> Samples:
    """Somebody who breathes into the microphone."""
    audio = np.zeros(count)
    at = 0
    while at < count:
        length = int(random.uniform(0.6, 1.6) * SAMPLE_RATE)
        noise = _band(random.standard_normal(length), random.uniform(200, 600), random.uniform(1_500, 3_500))
        _add(audio, at, noise * np.sin(np.pi * np.arange(length) / length) ** 2)
        at += length + int(random.uniform(0.3, 1.0) * SAMPLE_RATE)
    return at_level(audio, -30.0)


def _sung(count: int, random: np.random.Generator) -> Samples:
    """A melody without words: one vowel for some notes, with vibrato."""
    audio = np.zeros(count)
    at, root = SAMPLE_RATE // 2, random.uniform(130, 330)
    while at < count:
        vowel = VOWELS[int(random.integers(len(VOWELS)))]
        for _ in range(int(random.integers(2, 7))):
            note = root * 2 ** (int(random.choice(SCALE)) / 12)
            sung = _vowel(note, vowel, round(random.uniform(0.25, 1.0) * SAMPLE_RATE))
            _add(audio, at, sung)
            at += len(sung)
        at += int(random.uniform(0.5, 1.5) * SAMPLE_RATE)
    return at_level(audio, -25.0)


def _vowel(frequency: float, formants: tuple[float, ...], count: int) -> Samples:
    """The overtones of a voice, each as loud as the formants let it through."""
    time = np.arange(count) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(frequency * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * time))) / SAMPLE_RATE
    sound = np.zeros(count)
    for number in range(1, int(SAMPLE_RATE / 2.2 / frequency)):
        gain = sum(1 / (1 + ((number * frequency - formant) / 80) ** 2) for formant in formants)
        sound += gain / number**0.5 * np.sin(number * phase)
    return _faded(sound, 0.04)


def _struck(frequency: float, partials: Partials, decay: float) -> Samples:
    """A stroke whose overtones fade the faster the higher they are."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sound = np.zeros(len(time))
    for ratio, amplitude in partials:
        if ratio * frequency < SAMPLE_RATE / 2:
            sound += (
                amplitude * np.exp(-decay * ratio**0.5 * time) * np.sin(2 * np.pi * ratio * frequency * time)
            )
    return sound


def _tones(count: int, *frequencies: float) -> Samples:
    time = np.arange(count) / SAMPLE_RATE
    return sum((np.sin(2 * np.pi * frequency * time) for frequency in frequencies), np.zeros(count))


def _faded(samples: Samples, seconds: float = 0.005) -> Samples:
    """The samples without a click at either end."""
    length = round(seconds * SAMPLE_RATE)
    ramp = np.clip(np.arange(len(samples)) / length, 0, 1)
    return samples * ramp * ramp[::-1]


def _band(noise: Samples, low: float, high: float) -> Samples:
    """What the noise has between two frequencies, in Hz."""
    spectrum, frequencies = np.fft.rfft(noise), np.fft.rfftfreq(len(noise), 1 / SAMPLE_RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(noise)))


def _add(audio: Samples, at: int, sound: Samples) -> None:
    """Add a sound at a sample, as far as there is room."""
    end = min(len(audio), at + len(sound))
    audio[at:end] += sound[: max(0, end - at)]


SIGNALS: Final[Mapping[str, Signal]] = {
    "silence": _silence,
    "hiss, -60 dB": _white(-60.0),
    "white noise, -40 dB": _white(-40.0),
    "white noise, -20 dB": _white(-20.0),
    "pink noise, -25 dB": _pink,
    "hum, -30 dB": _hum,
    "music, -20 dB": _music,
    "dialled digits, -25 dB": _dtmf,
    "US ring tone, -25 dB": _cadence(2.0, 4.0, 440, 480),
    "European ring tone, -25 dB": _cadence(1.0, 4.0, 425),
    "European busy tone, -25 dB": _cadence(0.5, 0.5, 425),
    "fax, -25 dB": _fax,
    "chimes, -25 dB": _chimes,
    "claps, -30 dB": _claps,
    "breath, -30 dB": _breath,
    "sung melody, -25 dB": _sung,
}
