"""Holds the audio of one utterance while it is said, and what was decoded of it so far."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Transcript
from stages.asr.context import Context, OwnHypothesis
from stages.asr.ordered_output import OutputText
from stages.messages import Stamps, UtteranceEnd

GROWTH: Final = SAMPLE_RATE * 4  # Samples by which a buffer grows, so that it is copied every 4 s only.


@dataclass(frozen=True, slots=True)
class DecodedUtterance:
    """A transcript of an utterance, and the context that it makes for the next one."""

    transcript: Transcript
    context: Context


@dataclass(frozen=True, slots=True)
class SpeculativeFinal:
    """The transcript of an utterance that may have ended."""

    end: UtteranceEnd
    result: DecodedUtterance

    def is_of(self, end: UtteranceEnd) -> bool:
        """Whether it was decoded for the same silence."""
        return self.end.at == end.at

    def fits(self, decided: UtteranceEnd) -> bool:
        """Whether it is the final of the utterance that was now decided to end.

        A client that says flush waits for the text, so a transcript with less of the silence will do.
        """
        return self.is_of(decided) and (decided.kind == "flush" or self.end.until == decided.until)


@dataclass(slots=True)
class Utterance:
    """An utterance that is being said: float32 audio from sample `start` on."""

    number: int
    start: int = -1  # its first audio says
    overlaps: bool = False
    language: str | None = None  # as the client said when it began
    own: OwnHypothesis | None = None  # the newest partial, which is decoded without context
    doubtful: OwnHypothesis | None = None  # with context: it has more or fewer words than without
    draft: tuple[int, ...] = ()  # tokens of the newest hypothesis
    decoded: int = 0  # samples in the newest hypothesis
    possible_end: UtteranceEnd | None = None  # a speculative final is to be decoded up to here
    speculative: SpeculativeFinal | None = None  # the last one that was decoded
    since: int = 0  # when the audio or the possible end that is not decoded yet came (ns)
    stamps: Stamps = ()
    length: int = 0
    _audio: Floats = field(default_factory=lambda: np.empty(GROWTH, np.float32))

    @property
    def said(self) -> OutputText:
        """How a hypothesis names it."""
        return OutputText(self.number, max(0, self.start), self.overlaps)

    @property
    def end(self) -> int:
        """The sample after the last one that is here."""
        return self.start + self.length

    def extend(self, at: int, audio: Floats) -> None:
        """Take samples that begin at index `at`; what is here already is not taken twice."""
        if self.start < 0:
            self.start = at
        audio = audio[max(0, self.end - at) :]
        if self.length + len(audio) > len(self._audio):
            grown = np.empty(self.length + len(audio) + GROWTH, np.float32)
            grown[: self.length] = self._audio[: self.length]
            self._audio = grown
        self._audio[self.length : self.length + len(audio)] = audio
        self.length += len(audio)

    def audio(self, until: int) -> Floats:
        """The samples up to index `until`."""
        return self._audio[: max(0, min(until - self.start, self.length))]
