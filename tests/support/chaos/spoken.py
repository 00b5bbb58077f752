"""Makes speech of which it is known what is said when, by marks in it."""

from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np

from engines.marked import MARK, make_mark
from tests.support.speech import Samples

RATE: Final = 16_000
FRAME: Final = 320  # Samples, 20 ms: loudness is looked at so finely.
LOUD: Final = 0.5  # Loudness of a frame in a syllable, of that which one frame in ten exceeds.
QUIET: Final = 0.06  # The same, where nobody speaks.
APART: Final = 18  # Frames from one mark to the next, 0.36 s, about a word.
PAUSE_S: Final = 0.3  # Seconds of quiet frames after which somebody pauses.


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio, when each mark is said, and from when to when nobody speaks, in seconds."""

    pcm: bytes
    marks: tuple[float, ...]
    pauses: tuple[tuple[float, float], ...]

    def cut(self, length: int) -> "Speech":
        """The first so many bytes of it."""
        end = length / 2 / RATE
        return Speech(
            self.pcm[:length], tuple(at for at in self.marks if at + MARK / RATE <= end), self.pauses
        )

    def pause_within(self, begin: float, end: float) -> float:
        """Seconds of a silence that has begun by `begin`; to `end` at most."""
        return next((min(end, b) - begin for a, b in self.pauses if a <= begin < b), 0.0)


def marked(recording: Samples, repeats: int) -> Speech:
    """The recording so many times, with a mark in each loud syllable."""
    audio = np.tile(recording, repeats)
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float32)
    loudness = np.sqrt((frames**2).mean(axis=1))
    loudness /= np.quantile(loudness, 0.9)
    places = _loudest(loudness)
    for number, frame in enumerate(places):
        mark = make_mark(number)
        audio[frame * FRAME : frame * FRAME + len(mark)] = mark
    return Speech(audio.tobytes(), tuple(frame * FRAME / RATE for frame in places), _quiet(loudness))


def _loudest(loudness: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> list[int]:
    """Frames that are louder than those beside them, none too close to another."""
    found: list[int] = []
    for frame in range(1, len(loudness) - 1):
        is_peak = loudness[frame] >= max(loudness[frame - 1], loudness[frame + 1], LOUD)
        if is_peak and (not found or frame - found[-1] >= APART):
            found.append(frame)
    return found


def _quiet(loudness: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> tuple[tuple[float, float], ...]:
    found, at = list[tuple[float, float]](), 0
    for is_quiet, group in groupby(loudness < QUIET):
        count = len(list(group))
        begin, at = at, at + count
        if is_quiet and count * FRAME / RATE >= PAUSE_S:
            found.append((begin * FRAME / RATE, at * FRAME / RATE))
    return tuple(found)
