"""Decides what of an utterance's transcript with context can be trusted, by what is heard without context.

A short utterance that is decoded behind what was said before it has fewer errors. But a model that hears both
may leave out what it takes for a repetition, or write the words before once more: then the words of the
utterance alone are better than no words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Transcript
from stages.alignment import continuation, normal, same
from stages.asr.halves import is_series

GAP: Final = SAMPLE_RATE // 10  # Samples of silence between a context and an utterance.
MAX_PAUSE: Final = SAMPLE_RATE * 2  # Samples: what was said before a longer pause is no context any more.
KEEP_CONTEXT: Final = 0.6  # Share of the longest context up to which a context grows by the next utterance.
TOLERANCE: Final = 5  # One word in so many may be more or less: "we are" and "we're" are both right.
RECENT: Final = SAMPLE_RATE // 2  # Samples that a hypothesis may lack; one that lacks more says too little.
WORDS_PER_SECOND: Final = 5  # Words: nobody says more in the audio that came since a hypothesis.


@dataclass(frozen=True, slots=True)
class OwnHypothesis:
    """What the engine made of an utterance's audio up to sample `until`."""

    transcript: Transcript
    until: int

    @property
    def words(self) -> list[str]:
        """The words, as they are compared."""
        return spoken_words(self.transcript.text)


@dataclass(frozen=True, slots=True)
class Context:
    """What was said until sample `end`, as audio and as tokens."""

    audio: Floats
    tokens: tuple[int, ...]
    end: int

    def before(self, start: int, audio: Floats) -> Floats:
        """Its audio, with that of an utterance that begins at `start` behind it.

        A short silence stands for the pause, however long it was.
        """
        gap = np.zeros(min(GAP, max(0, start - self.end)), np.float32)
        return np.concatenate([self.audio, gap, audio])

    def reaches(self, start: int, samples: int, longest: int) -> bool:
        """Whether an utterance of so many samples is near enough, and both together are not too long."""
        return start - self.end <= MAX_PAUSE and len(self.audio) + GAP + samples <= longest


def spoken_words(text: str) -> list[str]:
    """The words of a text as they are compared, each digit a word: 528 is said like five, two, eight."""
    words = (normal(word) for word in text.replace("-", " ").split())
    return [part for word in words if word for part in (word if word.isdigit() else (word,))]


def agrees(contextual: Transcript, own: OwnHypothesis, more: int) -> bool:
    """Whether a transcript with context has as many words as one without, which lacks `more` samples."""
    heard, alone = spoken_words(contextual.text), own.words
    if is_series(heard):  # Alone it is counted.
        return False
    if contextual.cut_off or own.transcript.cut_off:
        return own.transcript.cut_off and not contextual.cut_off and len(heard) > 0 and more == 0
    tolerance = len(alone) // TOLERANCE
    if abs(len(heard) - len(alone)) <= tolerance:
        return more <= RECENT
    return 0 < more <= RECENT and _goes_on(alone, heard, round(more * WORDS_PER_SECOND / SAMPLE_RATE))


def _goes_on(alone: Sequence[str], heard: Sequence[str], most: int) -> bool:
    """Whether `heard` says what `alone` says, and then up to `most` words that are no repetition."""
    added = heard[len(alone) :]
    starts = all(same(a, b) for a, b in zip(alone, heard, strict=False))
    return starts and 0 < len(added) <= most and not set(added) & set(alone)


def without_broken_word(text: str, beyond: Sequence[str]) -> str:
    """The text without its last word, if a hypothesis of more audio, `beyond`, has another one there.

    Where speech is cut inside a word, the utterance behind the cut has the whole word.
    """
    words = text.split()
    at = continuation(words, beyond)
    if words and at > 0 and not same(words[-1], beyond[at - 1]):
        return " ".join(words[:-1])
    return text
