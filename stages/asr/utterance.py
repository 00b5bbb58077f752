"""Holds the audio of one utterance while it is said, and what was decoded of it so far."""

from dataclasses import dataclass, field

from engines.base import Floats, Transcript
from stages.asr.audio_buffer import AudioBuffer
from stages.asr.context import Context, OwnHypothesis
from stages.asr.ordered_output import OutputText
from stages.messages import Stamps, UtteranceEnd


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
    """An utterance that is being said: float32 audio from sample `start` on, which its first audio says."""

    number: int
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
    _buffer: AudioBuffer = field(default_factory=AudioBuffer)

    @property
    def start(self) -> int:
        """The first sample, -1 before any audio has come."""
        return self._buffer.start

    @property
    def length(self) -> int:
        """The number of samples that are here."""
        return self._buffer.length

    @property
    def said(self) -> OutputText:
        """How a hypothesis names it."""
        return OutputText(self.number, max(0, self.start), self.overlaps)

    @property
    def end(self) -> int:
        """The sample after the last one that is here."""
        return self._buffer.end

    def extend(self, at: int, audio: Floats) -> None:
        """Take samples that begin at index `at`; what is here already is not taken twice."""
        self._buffer.extend(at, audio)

    def audio(self, until: int) -> Floats:
        """The samples up to index `until`."""
        return self._buffer.between(self.start, until)
