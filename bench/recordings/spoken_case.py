"""Defines a spoken case: made speech of which every word is known, and how a client sends it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal, TypeAlias

import numpy as np
import soxr

from bench.recordings.signals import Floats, generate
from bench.recordings.speaker import PEAK
from dalston_realtime.client.audio.files import to_pcm
from dalston_realtime.protocol.audio import SAMPLE_RATE

LEAD_S: Final = 0.5  # Seconds of silence before the first word.
TELEPHONE: Final = 8_000  # Samples a second of a telephone.
SNR_DB: Final = 18.0  # Speech above the noise, as in an office or a car.
NOISE_S: Final = (
    2.0**20 / SAMPLE_RATE
)  # Seconds of noise that are made; a power of two is quick to transform.

Ending: TypeAlias = Literal["silence", "end", "flush"]
"""What follows the last sample: silence, or at once the end of the session, or a flush."""


@dataclass(frozen=True, slots=True)
class SaidPart:
    """Words that are said without a pause, and the samples at which their sound begins and ends."""

    text: str
    start: int
    end: int
    broken_off: str = ""  # The word behind `text` in whose middle the sound stops.


@dataclass(frozen=True, slots=True)
class SpokenCase:
    """One session's sound at 16 kHz, and what is said in it; `rate` is what the client sends it at."""

    kind: str
    name: str
    sound: Floats
    parts: tuple[SaidPart, ...]
    ending: Ending = "silence"
    rate: int = SAMPLE_RATE
    noisy: bool = False
    enable_vad: bool = True

    @property
    def seconds(self) -> float:
        """The length of the sound."""
        return len(self.sound) / SAMPLE_RATE

    @property
    def pcm(self) -> bytes:
        """The sound as s16le of the rate that the client sends."""
        if self.rate == SAMPLE_RATE:
            return to_pcm(self.sound)
        return to_pcm(np.asarray(soxr.resample(self.sound, SAMPLE_RATE, self.rate), np.float32))

    @property
    def heard_sound(self) -> Floats:
        """The sound at 16 kHz with what the client's rate leaves of it."""
        if self.rate == SAMPLE_RATE:
            return self.sound
        narrow = soxr.resample(self.sound, SAMPLE_RATE, self.rate)
        return np.asarray(soxr.resample(narrow, self.rate, SAMPLE_RATE), np.float32)

    def on_the_phone(self) -> "SpokenCase":
        """The same, sent at 8 kHz."""
        return replace(self, rate=TELEPHONE, name=f"{self.name}, 8 kHz")

    def in_noise(self, seed: int) -> "SpokenCase":
        """The same, with pink noise below the speech from beginning to end."""
        speech = np.concatenate([self.sound[part.start : part.end] for part in self.parts])
        noise = np.resize(_noise(seed), len(self.sound))
        gain = _rms(speech) / _rms(noise) * 10 ** (-SNR_DB / 20)
        sound = np.clip(self.sound + np.float32(gain) * noise, -1, 1).astype(np.float32)
        return replace(self, sound=sound, noisy=True, name=f"{self.name}, noise")

    def without_vad(self) -> "SpokenCase":
        """The same in a session with `enable_vad=false`."""
        return replace(self, enable_vad=False, name=f"{self.name}, enable_vad=false")

    def under(self, condition: int, seed: int) -> "SpokenCase":
        """The same at 16 kHz, in noise, on the phone, or both, for conditions 0 to 3."""
        case = self.in_noise(seed) if condition % 2 else self
        return case.on_the_phone() if condition // 2 % 2 else case


def sequence(
    kind: str,
    name: str,
    said: Iterable[tuple[str, Floats]],
    pauses: Iterable[float],
    ending: Ending = "silence",
) -> SpokenCase:
    """A case in which texts are said one after another, with a pause of so many seconds behind each."""
    pieces, parts, at = [_silence(LEAD_S)], list[SaidPart](), round(LEAD_S * SAMPLE_RATE)
    for (text, sound), pause in zip(said, pauses, strict=False):
        parts.append(SaidPart(text, at, at + len(sound)))
        pieces += [sound, _silence(pause)]
        at += len(sound) + len(pieces[-1])
    sound = np.concatenate(pieces[:-1])  # What is behind the last word is for the player to send.
    return SpokenCase(kind, name, np.clip(sound, -1, 1), tuple(parts), ending)


@cache
def _noise(seed: int) -> Floats:
    """Pink noise, which is repeated in longer cases."""
    return generate("pink noise, -25 dB", NOISE_S, seed)


def _rms(sound: Floats) -> float:
    return float(np.sqrt(np.mean(sound**2))) or 1.0


def at_usual_level(sound: Floats) -> Floats:
    """The sound with the peak of the voices."""
    return np.asarray(sound * np.float32(PEAK / np.abs(sound).max(initial=1e-9)), np.float32)


def _silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)
