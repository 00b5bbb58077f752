"""Keeps the messages of one session in order: what must follow a final waits behind it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.events import ServerError, encode_event
from dalston_realtime.protocol.models import ModelInfo
from dalston_realtime.protocol.parameters import MinSilence
from engines.base import Transcript
from stages.asr.sentence_end import likelihood
from stages.channels import Packet
from stages.messages import (
    Configure,
    EncodedEvent,
    Flush,
    Hypothesis,
    Message,
    Open,
    Stamps,
    TextEnd,
    UtteranceEnd,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pending(Generic[T]):
    """An utterance whose end is decided and whose last decode is to come."""

    utterance: T
    end: UtteranceEnd
    since: int  # ns


@dataclass(frozen=True, slots=True)
class OutputText:
    """An utterance as a hypothesis names it: the VAD's number, its first sample, whether it overlaps."""

    number: int
    start: int
    overlaps: bool = False


@dataclass(slots=True)
class OrderedOutput(Generic[T]):
    """The messages of a session on their way out. What the client asks for may change at any time."""

    opened: Open
    interim_results: bool
    min_silence: MinSilence
    language: str = field(init=False)  # of the utterances that begin from now on
    _asked_language: str = field(init=False)  # as the client said last, whether the model knows it or not
    queue: deque[Packet | Pending[T]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.language = self._asked_language = self.opened.language

    @property
    def spoken(self) -> str | None:
        """The language that the client says is spoken, None where it leaves that to the engine."""
        return None if self.language == "auto" else self.language

    def configure(self, message: Configure, model: ModelInfo) -> None:
        """Do from here on what the client asks for, as far as the model can."""
        self.interim_results = message.interim_results and model.features["interim_results"]
        self.min_silence = message.min_silence_ms
        if message.language != self._asked_language:
            self._asked_language = message.language
            self._change_language(message.language, model)
        self.emit(message)

    def _change_language(self, language: str, model: ModelInfo) -> None:
        if model.speaks(language):
            self.language = language
        elif self.opened.is_first:
            why = f"{model.name} does not know {language}; it knows auto, {', '.join(model.languages)}"
            self.emit(*self._error("invalid_message", why))

    def emit(self, message: Message, payload: bytes = b"") -> None:
        """Send a message behind the finals that are still to come."""
        self.queue.append((message, payload))

    def reserve_final(self, utterance: T, end: UtteranceEnd, since: int) -> None:
        """Keep the place of a final that is still to be decoded."""
        self.queue.append(Pending(utterance, end, since))

    def abandon(self, end: UtteranceEnd) -> None:
        """An utterance ends that the engine has failed on: a flush still gets its answer."""
        if end.flush_id is not None:
            self.emit(Flush(self.opened.session, self.opened.route, end.flush_id, end.stamps))

    @property
    def head(self) -> Pending[T] | None:
        """The final that is to come next, if all before it has left."""
        return self.queue[0] if self.queue and isinstance(self.queue[0], Pending) else None

    def resolve(self, *packets: Packet) -> None:
        """Put what has become of the head into its place."""
        self.queue.popleft()
        self.queue.extendleft(reversed(packets))

    def ready(self) -> Iterator[Packet]:
        """What may leave now."""
        while self.queue and not isinstance(item := self.queue[0], Pending):
            self.queue.popleft()
            yield item

    def pending(self) -> list[Pending[T]]:
        """The finals that are to come, oldest first."""
        return [item for item in self.queue if isinstance(item, Pending)]

    def earliest_pending(self, otherwise: int) -> int:
        """The sample up to which the oldest final that is to come goes; asked at every message."""
        return next((item.end.until for item in self.queue if isinstance(item, Pending)), otherwise)

    def emit_partial(
        self, said: OutputText, transcript: Transcript, until: int, stamps: Stamps, inference_ns: int
    ) -> None:
        """Emit an unfinished utterance, up to sample `until`, if it is worth showing."""
        if self.interim_results and transcript.text and not transcript.cut_off:
            message = self._hypothesis(said, transcript, inference_ns)
            self.emit(replace(message, end=until, decided=until, stamps=stamps))

    def emit_text_end(self, at: int, transcript: Transcript) -> None:
        """Emit how likely a sentence is over where speech may have ended, if the delay depends on it."""
        if self.min_silence == "auto":
            language = transcript.language or self.language
            finished = likelihood(transcript.text, transcript.finished, language)
            self.emit(TextEnd(self.opened.session, self.opened.route, at, finished))

    def make_final(
        self, said: OutputText, end: UtteranceEnd, transcript: Transcript, inference_ns: int
    ) -> Hypothesis:
        """The message of a finished utterance, in whose time its words lie."""
        hypothesis, last = self._hypothesis(said, transcript, inference_ns), max(said.start, end.at)
        return replace(
            hypothesis,
            end=last,
            words=tuple(
                (word, max(said.start, min(a, last)), max(said.start, min(b, last)), sure)
                for word, a, b, sure in hypothesis.words
            ),
            decided=end.decided,
            final=True,
            flush_id=end.flush_id,
            stamps=end.stamps,
        )

    def _failure(self, why: str) -> Packet:
        return self._error("transcription_failed", why)

    def fail_head(self, said: OutputText, why: str) -> None:
        """Tell the client that the final that was to come next, of utterance `said`, is lost."""
        assert self.head is not None
        nothing = self.make_final(said, self.head.end, Transcript(""), 0)
        self.resolve(self._failure(why), (nothing, b""))

    def fail(self, said: OutputText, until: int, why: str) -> None:
        """Tell the client that an utterance is lost before its end; its stable words become its final."""
        nothing = self._hypothesis(said, Transcript(""), 0)
        self.emit(*self._failure(why))
        last = max(said.start, until)
        self.emit(replace(nothing, end=last, decided=last, final=True))

    def _error(self, code: str, why: str) -> Packet:
        error = ServerError(code=code, message=why, recoverable=True)
        return EncodedEvent(self.opened.session, self.opened.route, error.type), encode_event(error)

    def _hypothesis(self, said: OutputText, transcript: Transcript, inference_ns: int) -> Hypothesis:
        words = tuple(
            (word, said.start + round(a * SAMPLE_RATE), said.start + round(b * SAMPLE_RATE), confidence)
            for word, a, b, confidence in transcript.words
        )
        return Hypothesis(
            session=self.opened.session,
            route=self.opened.route,
            utterance=said.number,
            text=transcript.text,
            start=said.start,
            end=said.start,
            decided=said.start,
            final=False,
            overlaps=said.overlaps,
            language=transcript.language,
            confidence=transcript.confidence,
            words=words if self.opened.word_timestamps else (),
            flush_id=None,
            inference_ns=inference_ns,
            stamps=(),
            word_probabilities=transcript.word_probabilities,
        )
