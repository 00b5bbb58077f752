"""Asks the VAD again, in other conditions, whether a sound that it is not sure of is speech."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from engines.silero import WINDOW, VadState
from stages.endpoint_rules import samples

SURE: Final = 0.89
"""Probability of one window from which an utterance is speech without a second look. Of 53 utterances found
in 8 hours of chimes, dialled digits, melodies and the like, two had such a window; of 1,549 of speech 1,418
had one, and the others were mostly words of less than 0.3 s, far below the usual loudness (measured)."""

TONAL: Final = 0.6
"""Share of the energy in the strongest lines of the spectrum from which a sound may be chimes or tones. These
have 0.66 to 0.99, as their pitch stands still; words of which the VAD was not sure have 0.35 at the median,
and one of ten has more than 0.52 (measured)."""

LINES: Final = 6  # Lines of the spectrum that are counted: two struck notes with three partials each.
LINE_HZ: Final = 6.0  # Half the width of a line, beside what the length of the sound makes of it.
SPAN_HZ: Final = (80.0, 7_500.0)  # What is looked at: hum below and the edge of the band above say nothing.
SIZE: Final = 32_768  # Points of the spectrum: more than the samples of the longest sound.

SPEED: Final = 1.1  # How much faster, and so higher, a tonal sound is played to the VAD in a second look.
PEAKS: Final = (0.9, 0.3)  # Loudness to which it is scaled, as a share of full scale: a look for each.
STILL: Final = 0.7
"""Mean over the looks of their surest window, from which the sound is speech. What misleads the VAD does so
by chance, and no longer does when it is a little faster or louder: of 51 such sounds 44 are below. Speech
stays speech: of 129 words that the VAD was not sure of, the least had 0.93 (measured)."""

EVERY: Final = samples(200)  # Samples of an unsure sound after which it is looked at again while it lasts.
LONGEST: Final = samples(400)
"""Samples of an unsure sound from which it is taken for speech, before any text of it could be shown. Of the
51 sounds without words that the VAD took for speech, two were longer (measured)."""

MOST: Final = samples(1_000)  # Samples for which a sound is held back, with the silence behind it.


class Vad(Protocol):
    """A model that tells speech from other sound."""

    def __call__(self, sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
        """Probabilities [n] for the n windows in each session's sound [n * 512]."""
        ...


class SpeechGuard:
    """Looks a second time at short sounds."""

    def __init__(self, vad: Vad) -> None:
        self._vad = vad

    def is_speech(self, sound: Floats) -> bool:
        """Whether a sound [n], -1..1, is speech: its pitch moves, or it is speech in other conditions too."""
        return tonal_share(sound) < TONAL or self._still_speech(sound)

    def _still_speech(self, sound: Floats) -> bool:
        faster = _played_faster(sound)
        if not len(faster):
            return False
        looks = [faster * np.float32(level / np.abs(sound).max()) for level in PEAKS]
        found = self._vad(looks, [VadState() for _ in looks])
        return float(np.mean([probabilities.max() for probabilities in found])) >= STILL


def tonal_share(sound: Floats) -> float:
    """The share of the energy that lies in the strongest lines of the spectrum, from 0 to 1."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), SIZE)) ** 2
    hertz = SAMPLE_RATE / SIZE
    low, high = (round(edge / hertz) for edge in SPAN_HZ)
    power[:low] = power[high:] = 0
    total, tonal = float(power.sum()), 0.0
    main_lobe = 2 * SAMPLE_RATE / max(1, len(sound))  # Half its width in Hz, of the window.
    half = round((main_lobe + LINE_HZ) / hertz)
    for _ in range(LINES):
        peak = int(power.argmax())
        line = slice(max(0, peak - half), peak + half + 1)
        tonal += float(power[line].sum())
        power[line] = 0
    return tonal / total if total else 0.0


def _played_faster(sound: Floats) -> Floats:
    """The sound at another speed, in whole windows."""
    count = int(len(sound) / SPEED) // WINDOW * WINDOW
    return np.asarray(np.interp(np.arange(count) * SPEED, np.arange(len(sound)), sound), np.float32)
