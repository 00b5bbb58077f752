"""Gives the sound of short texts: said by espeak-ng's voices, or cut from the embedded recordings."""

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import soxr

from bench.recordings import espeak
from bench.recordings.embedded import embedded_recordings
from bench.recordings.recording import Recording
from bench.recordings.signals import Floats
from dalston_realtime.protocol.audio import SAMPLE_RATE

VOICES: Final = (
    *("en-us+klatt3", "en-us+klatt4", "en-us+david", "en-us+quincy", "en-us+Mike", "en-us+rob"),
    *("en-us+Denis", "en-us+benjamin", "en-gb", "en-gb+steph"),
)  # Those of 41 whose digits a small model understands best: two in three, and seldom too many or too few.
PEAK: Final = 0.4  # Of full scale (-8 dB), as a microphone gives speech.
QUIET: Final = 0.01  # Of the peak (-40 dB); what is quieter at the edges of a sound is cut off.
EDGE: Final = SAMPLE_RATE // 50  # Samples (20 ms) kept outside of that, so that a soft onset is whole.


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice of espeak-ng with its pitch (0 to 99), and how fast it speaks."""

    voice: str
    words_per_minute: int
    pitch: int
    word_gap: int = 0  # Units of 10 ms between two words.

    def say(self, text: str) -> Floats:
        """The text as mono 16 kHz, -1 to 1, without silence at its edges."""
        return _say(self, text)


def draw_speaker(
    random_: random.Random, slowest: int = 135, fastest: int = 185, word_gap: int = 0
) -> Speaker:
    """One of the voices, at one of the usual speeds (words a minute)."""
    pace = random_.randint(slowest, fastest)
    return Speaker(random_.choice(VOICES), pace, random_.randint(35, 65), word_gap)


@cache
def _say(speaker: Speaker, text: str) -> Floats:
    spoken, rate = espeak.speak(
        text, speaker.voice, speaker.words_per_minute, speaker.pitch, speaker.word_gap
    )
    return without_edges(np.asarray(soxr.resample(spoken, rate, SAMPLE_RATE), np.float32))


@cache
def recordings() -> dict[str, Recording]:
    """The embedded recordings by name.

    Raises:
        StartupError: the wheel with them is not installed.
    """
    return {recording.name: recording for recording in embedded_recordings()}


def audio_of(name: str, start: float = 0.0, end: float | None = None) -> Floats:
    """Seconds `start` to `end` of an embedded recording, at its own level."""
    pcm = np.frombuffer(recordings()[name].pcm, "<i2").astype(np.float32) / np.float32(32768)
    return pcm[round(start * SAMPLE_RATE) : None if end is None else round(end * SAMPLE_RATE)]


def recorded(name: str, start: float, end: float) -> Floats:
    """What a real person says from second `start` to `end`, as loud as the voices, without its edges."""
    return without_edges(audio_of(name, start, end))


def without_edges(sound: Floats) -> Floats:
    """The sound at the usual level, without the silence before and behind it."""
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.abs(sound).max(initial=1e-9))
    if not len(loud):
        return sound[:0]
    kept = sound[max(0, loud[0] - EDGE) : loud[-1] + EDGE]
    return np.asarray(kept * np.float32(PEAK / np.abs(kept).max()), np.float32)


def shorten_pauses(sound: Floats, longest_s: float) -> Floats:
    """The sound with each pause cut to at most `longest_s` seconds."""
    block = SAMPLE_RATE // 100
    blocks = sound[: len(sound) // block * block].reshape(-1, block)
    loudness = np.sqrt((blocks**2).mean(axis=1))
    quiet = loudness < 0.03 * np.percentile(loudness, 95)  # -30 dB of what is loud in it.
    longest, run, kept = round(longest_s * 100), 0, np.ones(len(blocks), bool)
    for number, is_quiet in enumerate(quiet):
        run = run + 1 if is_quiet else 0
        kept[number] = run <= longest
    return np.ascontiguousarray(blocks[kept].reshape(-1))
