"""How long to wait in a silence before the utterance is over: from what the text says, and from the speaker.

The constants were chosen on the recordings of the embedded model's wheel and some of LibriVox, as they are,
at 0.8 to 1.25 times their speed, and with noise, by what `dalston-rt bench endpointing` measures.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stages.endpoint_rules import LEAST, MOST, MS, SILENT

OVER: Final = 200 * MS  # behind a sentence: pauses up to 190 ms stand behind what only looks like one
UNLIKELY, LIKELY = 0.3, 0.6  # between them it is a comma or a full stop, as it happens
REACH: Final = 2  # times the speaker's typical pause: few within a sentence are longer
PAUSE: Final = 300 * MS  # what is taken for a pause of the speaker's until there are enough
PAUSES: Final = 16  # that are remembered, some minutes of speech
LONGEST: Final = 1_200 * MS  # after a longer pause something new is said
TYPICAL: Final = 0.8  # of them are not longer than the one that counts


@dataclass(slots=True)
class AdaptiveEndpointDelay:
    """One speaker's pauses within sentences, as far as the text tells, in samples."""

    _pauses: deque[int] = field(default_factory=lambda: deque([PAUSE, PAUSE], PAUSES))

    def paused(self, pause: int) -> None:
        """What was being said has gone on after so many samples."""
        if pause <= LONGEST:
            self._pauses.append(pause)

    def wait(self, finished: float | None) -> int:
        """Samples of silence that end an utterance, where a sentence is over with this likelihood."""
        if finished is None:
            return SILENT
        doubt = min(max((LIKELY - finished) / (LIKELY - UNLIKELY), 0.0), 1.0)
        return _within(round(OVER + doubt * (self._longest() - OVER)))

    def _longest(self) -> int:
        """What to wait where a sentence is not over."""
        typical = sorted(self._pauses)[int(TYPICAL * (len(self._pauses) - 1))]
        return max(SILENT, _within(REACH * typical))


def _within(wait: int) -> int:
    return min(max(wait, LEAST), MOST)
