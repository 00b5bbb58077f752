"""Decides how long a silence must last to end an utterance, by the text and by the speaker's pauses.

The constants were chosen on the recordings of the embedded model's wheel and some of LibriVox, as they are,
at 0.8 to 1.25 times their speed, and with noise, by what `dalston-rt bench endpointing` measures.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stages.endpoint_rules import LEAST, MOST, MS, SILENT

OVER: Final = 200 * MS
"""Samples of silence that end a finished sentence: pauses behind one that only seems finished last 190 ms."""

UNLIKELY, LIKELY = 0.3, 0.6
"""Likelihoods up to which a sentence is not over, and from which it is; between them, delays are mixed."""

REACH: Final = 2  # The delay is so many times the typical pause: few pauses within a sentence are longer.
PAUSE: Final = 300 * MS  # Samples that stand for the pauses of a speaker of whom too few are known.
PAUSES: Final = 16  # Pauses that are remembered: those of some minutes of speech.
LONGEST: Final = 1_200 * MS  # Samples: after a longer pause something new is said, so it is no pause.
TYPICAL: Final = 0.8  # The quantile of the remembered pauses that counts as the typical one.


@dataclass(slots=True)
class AdaptiveEndpointDelay:
    """The pauses of one speaker within sentences, as far as the text shows them, in samples.

    Where a sentence is not over, the delay is REACH times the TYPICAL quantile of the last PAUSES pauses.
    """

    _pauses: deque[int] = field(default_factory=lambda: deque([PAUSE, PAUSE], PAUSES))

    def append_pause(self, pause: int) -> None:
        """The speaker went on with a sentence after so many samples of silence."""
        if pause <= LONGEST:
            self._pauses.append(pause)

    def required_silence(self, finished: float | None) -> int:
        """Samples of silence that end an utterance whose sentence is over with this likelihood."""
        if finished is None:
            return SILENT
        doubt = min(max((LIKELY - finished) / (LIKELY - UNLIKELY), 0.0), 1.0)
        return _limit(round(OVER + doubt * (self._open_delay() - OVER)))

    def _open_delay(self) -> int:
        """The delay where a sentence is not over."""
        typical = sorted(self._pauses)[int(TYPICAL * (len(self._pauses) - 1))]
        return max(SILENT, _limit(REACH * typical))


def _limit(delay: int) -> int:
    return min(max(delay, LEAST), MOST)
