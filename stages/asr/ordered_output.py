"""What the ASR stage says of one session, in order: what must follow a final waits behind it."""

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
    """The session's way out. What the client asks for may change at any time."""

    opened: Open
    interim_results: bool
    min_silence: MinSilence
    language: str = field(init=False)  # of the utterances that begin from now on
    _asked: str = field(init=False)  # the language as the client said last, whether the model knows it or not
    queue: deque[Packet | Pending[T]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.language = self._asked = self.opened.language

    @property
    def spoken(self) -> str | None:
        """The language that the client says is spoken, None where it leaves that to the engine."""
        return None if self.language == "auto" else self.language

    def configure(self, message: Configure, model: ModelInfo) -> None:
        """Do from here on what the client asks for, as far as the model can."""
        self.interim_results = message.interim_results and model.features["interim_results"]
        self.min_silence = message.min_silence_ms
        if message.language != self._asked:
            self._asked = message.language
            self._change_language(message.language, model)
        self.say(message)

    def _change_language(self, language: str, model: ModelInfo) -> None:
        if model.speaks(language):
            self.language = language
        else:
            why = f"{model.name} does not know {language}; it knows auto, {', '.join(model.languages)}"
            self.queue.append(self._error("invalid_message", why))

    def say(self, message: Message) -> None:
        """Pass a message on behind the finals that are still to come."""
        self.queue.append((message, b""))

    def await_final(self, utterance: T, end: UtteranceEnd, since: int) -> None:
        """Keep the place of a final."""
        self.queue.append(Pending(utterance, end, since))

    def give_up(self, end: UtteranceEnd) -> None:
        """An utterance ends that the engine has failed on: a flush still gets its answer."""
        if end.flush_id is not None:
            self.say(Flush(self.opened.session, self.opened.route, end.flush_id, end.stamps))

    @property
    def head(self) -> Pending[T] | None:
        """The final that is to come next, if all before it has left."""
        return self.queue[0] if self.queue and isinstance(self.queue[0], Pending) else None

    def settle(self, *packets: Packet) -> None:
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

    def partial(
        self, said: OutputText, transcript: Transcript, until: int, stamps: Stamps, inference_ns: int
    ) -> None:
        """Say an unfinished utterance, up to sample `until`, if it is worth showing."""
        if self.interim_results and transcript.text and not transcript.cut_off:
            message = self._hypothesis(said, transcript, inference_ns)
            self.say(replace(message, end=until, decided=until, stamps=stamps))

    def text_end(self, at: int, transcript: Transcript) -> None:
        """Say how likely a sentence is over where speech may have ended, if the wait depends on it."""
        if self.min_silence == "auto":
            language = transcript.language or self.language
            finished = likelihood(transcript.text, transcript.finished, language)
            self.say(TextEnd(self.opened.session, self.opened.route, at, finished))

    def final(
        self, said: OutputText, end: UtteranceEnd, transcript: Transcript, inference_ns: int
    ) -> Hypothesis:
        """The message that says a finished utterance, in whose time its words lie."""
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

    def failed(self, why: str) -> Packet:
        """The message that says that an utterance is lost; the session goes on."""
        return self._error("transcription_failed", why)

    def lose_head(self, said: OutputText, why: str) -> None:
        """Say that the final that was to come next, of utterance `said`, is lost."""
        assert self.head is not None
        nothing = self.final(said, self.head.end, Transcript(""), 0)
        self.settle(self.failed(why), (nothing, b""))

    def lose(self, said: OutputText, until: int, why: str) -> None:
        """Say that an utterance is lost before its end: what its partials promised is its final."""
        nothing = self._hypothesis(said, Transcript(""), 0)
        self.queue.append(self.failed(why))
        last = max(said.start, until)
        self.say(replace(nothing, end=last, decided=last, final=True))

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
        )
