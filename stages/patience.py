"""How long to wait in a silence before the utterance is over: from what the text says, and from the speaker.

The constants were chosen on the recordings of the embedded model's wheel and some of LibriVox, as they are,
at 0.8 to 1.25 times their speed, and with noise, by what `dalston-rt bench endpointing` measures.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from stages.messages import SAMPLE_RATE

MS: Final = SAMPLE_RATE // 1000  # samples
LEAST, MOST = 150 * MS, 800 * MS  # no wait is shorter or longer
UNREAD: Final = 500 * MS  # until the text is known: its final comes no sooner either
SILENT: Final = 300 * MS  # where the text says nothing: what others wait by default
OVER: Final = 200 * MS  # behind a sentence: pauses up to 190 ms stand behind what only looks like one
UNLIKELY, LIKELY = 0.3, 0.6  # between them it is a comma or a full stop, as it happens
REACH: Final = 2  # times the speaker's typical pause: few within a sentence are longer
PAUSE: Final = 300 * MS  # what is taken for a pause of the speaker's until there are enough
PAUSES: Final = 16  # that are remembered, some minutes of speech
LONGEST: Final = 1_200 * MS  # after a longer pause something new is said
TYPICAL: Final = 0.8  # of them are not longer than the one that counts

_WORDS: Final = (
    "a an the my your our their every and or but nor because if unless although while whereas than as"
    " of to for from with by at into onto upon about i he she we they who which whose um uh er erm"
)
HANGING: Final = frozenset(_WORDS.split())
"""English words that ask for another one: few sentences end on them."""

_SENTENCE_END: Final = re.compile(r"[.!?。！？][\"'”’)\]]*$")
_BREAK: Final = re.compile(r"(?:[,;:、，；：–—-]|\.\.|…)[\"'”’)\]]*$")
_LAST_WORD: Final = re.compile(r"([^\W\d_]+)\W*$")


def likelihood(text: str, finished: float | None, language: str) -> float | None:
    """How likely a sentence is over with this text, 0..1; None where nothing says so.

    `finished` is what the engine says, None where it does not. The words count in English only.
    """
    if not text:
        return None
    word = _LAST_WORD.search(text)
    if language == "en" and word is not None and word[1].lower() in HANGING:
        return 0.0
    if finished is not None:
        return finished
    if _BREAK.search(text):
        return 0.0
    return 1.0 if _SENTENCE_END.search(text) else None


@dataclass(slots=True)
class Patience:
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
