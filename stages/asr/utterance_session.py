"""Holds one session of an engine that decodes whole utterances, and says what is to be decoded next."""

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Job, Transcript
from engines.silero import WINDOW
from stages.alignment import continuation, normal
from stages.asr.batcher import Work, WorkKind
from stages.asr.ordered_output import OrderedOutput, OutputText
from stages.messages import Stamps, UtteranceEnd

FIRST_PARTIAL: Final = SAMPLE_RATE // 2  # Samples: less audio than this gives no words worth showing.
PARTIALS_PER_LENGTH: Final = 24  # A partial comes at most every 1/24 of the utterance: long ones cost more.
GAP: Final = SAMPLE_RATE // 10  # Samples of silence between a context and an utterance.
MAX_PAUSE: Final = SAMPLE_RATE * 2  # Samples: what was said before a longer pause is no context any more.
KEEP_CONTEXT: Final = 0.6  # Share of the longest context up to which a context grows by the next utterance.
REST: Final = SAMPLE_RATE * 3 // 10
"""Samples of silence behind an utterance that stops inside a word. Without them Moonshine repeated itself at
35 of 152 places of a recording, with them at none (measured)."""

GROWTH: Final = SAMPLE_RATE * 4  # Samples by which a buffer grows, so that it is copied every 4 s only.


@dataclass(frozen=True, slots=True)
class Context:
    """What was said until sample `end`: decoded together with it, a short utterance has fewer errors."""

    audio: Floats
    words: tuple[str, ...]
    tokens: tuple[int, ...]
    end: int


@dataclass(frozen=True, slots=True)
class ContextualTranscript:
    """A transcript of an utterance, and the context that it makes for the next one."""

    transcript: Transcript
    context: Context


@dataclass(frozen=True, slots=True)
class SpeculativeFinal:
    """The transcript of an utterance that may have ended."""

    end: UtteranceEnd
    result: ContextualTranscript

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
    broken_off: bool = False  # its audio stopped inside a word, so it is no context for the next utterance
    draft: tuple[int, ...] = ()  # tokens of the newest partial
    speculative_tokens: tuple[int, ...] = ()  # of a newer speculative final, with its context
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


@dataclass(slots=True)
class UtteranceSession:
    """A session of an engine that decodes whole utterances, and their beginnings for partials."""

    output: OrderedOutput[Utterance]
    partial_interval: int  # samples between two partials
    longest_context: int  # samples of a context and an utterance together
    received: int  # all audio up to here has come
    decodes_eagerly: bool  # else a pass costs too much for one that only a flush would need
    utterance: Utterance | None = None
    context: Context | None = None

    def append_utterance_audio(self, at: int, pcm: bytes, stamps: Stamps, now: int) -> None:
        """Append audio of the utterance that is being said."""
        audio = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        self.received = max(self.received, at + len(audio))
        utterance = self.utterance
        if utterance is None:
            return
        if utterance.length <= utterance.decoded:
            utterance.since = now
        utterance.stamps = stamps
        utterance.extend(at, audio)

    def begin_utterance(self, number: int, *, overlaps: bool = False) -> None:
        """An utterance begins; its audio may overlap the one before."""
        self.utterance = Utterance(number, overlaps=overlaps, language=self.output.spoken)

    def expect_end(self, end: UtteranceEnd, now: int) -> None:
        """The utterance may have ended: a speculative final is to be decoded."""
        if self.utterance is not None and (end.kind == "likely" or self.decodes_eagerly):
            self.utterance.possible_end, self.utterance.since = end, now

    def end_utterance(self, end: UtteranceEnd, now: int) -> None:
        """The end is decided: its final is next, and ready if a speculative one fits."""
        utterance, self.utterance = self.utterance, None
        if utterance is None:
            self.output.abandon(end)
            if end.kind == "cut":
                self.begin_utterance(end.utterance + 1)
            return
        utterance.broken_off = end.kind == "end" and end.resume < end.until
        if end.kind == "cut":
            self._carry_over(utterance, end)
        if utterance.speculative is not None and utterance.speculative.fits(end):
            result = utterance.speculative.result
            self.context = result.context
            self.output.emit(self.output.make_final(utterance.said, end, result.transcript, 0))
        else:
            self.output.reserve_final(utterance, end, now)

    def _carry_over(self, before: Utterance, cut: UtteranceEnd) -> None:
        overlaps = cut.resume < cut.until
        after = Utterance(cut.utterance + 1, cut.resume, overlaps, self.output.spoken)
        after.extend(cut.resume, before.audio(before.end)[cut.resume - before.start :])
        after.stamps = cut.stamps
        self.utterance = after

    def close(self) -> None:
        """The session is gone: nothing outside of this object remembers it."""

    def next_work(self) -> Work["UtteranceSession"] | None:
        """The most urgent work of this session, if there is any."""
        if head := self.output.head:
            return Work(self, WorkKind.FINAL, head.since)
        utterance = self.utterance
        if utterance is None:
            return None
        if end := utterance.possible_end:
            # a flush right behind the audio has its text already, if it need not wait for this pass
            decoded = utterance.speculative is not None and utterance.speculative.is_of(end)
            eager = end.kind == "eager"
            return Work(self, WorkKind.SPECULATIVE, utterance.since, yields=eager, patient=decoded)
        if self._partial_is_due(utterance):
            return Work(self, WorkKind.PARTIAL, utterance.since, yields=self.output.opened.degraded)
        return None

    def make_job(self, kind: WorkKind) -> Job:
        """What to decode for the work that `next_work` named."""
        utterance, until = self._due(kind)
        audio, draft = utterance.audio(until), utterance.draft
        if utterance.broken_off:
            audio = np.concatenate([audio, np.zeros(REST, np.float32)])
        if kind is not WorkKind.PARTIAL and (context := self._context_for(utterance, audio)):
            audio = np.concatenate([context.audio, _gap(context, utterance), audio])
            draft = (*context.tokens, *draft)
        if kind is not WorkKind.PARTIAL and utterance.speculative_tokens:
            draft = utterance.speculative_tokens
        opened = self.output.opened
        return Job(audio, draft, utterance.language, opened.vocabulary, opened.word_timestamps)

    def handle_transcript(self, kind: WorkKind, job: Job, transcript: Transcript, inference_ns: int) -> None:
        """Emit what becomes of the result of `job`."""
        utterance, until = self._due(kind)
        if kind is WorkKind.PARTIAL:
            utterance.draft, utterance.speculative_tokens = transcript.tokens, ()
            utterance.decoded = until - utterance.start
            self.output.emit_partial(utterance.said, transcript, until, utterance.stamps, inference_ns)
            return
        result = self._separate_context(utterance, job, transcript, until)
        if kind is WorkKind.FINAL:
            assert self.output.head is not None
            end = self.output.head.end
            self.context = None if utterance.broken_off else result.context
            final = self.output.make_final(utterance.said, end, result.transcript, inference_ns)
            self.output.resolve((final, b""))
            return
        assert utterance.possible_end is not None
        end, utterance.possible_end = utterance.possible_end, None
        utterance.speculative, utterance.speculative_tokens = SpeculativeFinal(end, result), transcript.tokens
        utterance.decoded = until - utterance.start
        if end.kind == "likely":
            self.output.emit_text_end(end.at, result.transcript)
        self.output.emit_partial(utterance.said, result.transcript, until, end.stamps, inference_ns)

    def fail_work(self, kind: WorkKind, why: str) -> None:
        """The engine can't decode what is due: the utterance is given up."""
        if head := self.output.head:
            self.output.fail_head(head.utterance.said, why)
        else:
            assert self.utterance is not None
            self.output.fail(self.utterance.said, self.utterance.end, why)
            self.utterance = None

    def _partial_is_due(self, utterance: Utterance) -> bool:
        """Only the newest counts: none is decoded while audio that was processed before is still coming."""
        if not self.output.interim_results or self.received < self.output.opened.replayed:
            return False
        new = utterance.length - utterance.decoded
        often = max(self.partial_interval, utterance.length // PARTIALS_PER_LENGTH)
        # it comes in whole windows of the VAD: one that is not full yet is no reason to wait for a chunk more
        return utterance.length > FIRST_PARTIAL - WINDOW and new > often - WINDOW

    def _due(self, kind: WorkKind) -> tuple[Utterance, int]:
        """The utterance to decode, and up to where."""
        if kind is WorkKind.FINAL:
            head = self.output.head
            assert head is not None
            return head.utterance, head.end.until
        assert self.utterance is not None
        end = self.utterance.possible_end
        return self.utterance, self.utterance.end if end is None else end.until

    def _context_for(self, utterance: Utterance, audio: Floats) -> Context | None:
        context = self.context
        if context is None or not context.words or utterance.overlaps or utterance.broken_off:
            return None
        near = utterance.start - context.end <= MAX_PAUSE
        fits = len(context.audio) + GAP + len(audio) <= self.longest_context
        return context if near and fits else None

    def _separate_context(
        self, utterance: Utterance, job: Job, transcript: Transcript, until: int
    ) -> ContextualTranscript:
        """Separate what belongs to the utterance from the transcript of context and utterance together.

        The context goes on growing while it is short; then it is the last utterance alone.
        """
        context = self._context_for(utterance, utterance.audio(until))
        if context is None:
            words = tuple(transcript.text.split())
            return ContextualTranscript(transcript, Context(job.audio, words, transcript.tokens, until))
        joined = [word for word in transcript.text.split() if normal(word)]
        words = tuple(joined[continuation(context.words, joined) :])
        mine = replace(transcript, text=" ".join(words))
        if len(job.audio) <= self.longest_context * KEEP_CONTEXT:
            whole = (*context.words, *words)
            return ContextualTranscript(mine, Context(job.audio, whole, transcript.tokens, until))
        return ContextualTranscript(mine, Context(utterance.audio(until), words, utterance.draft, until))

    @property
    def processed(self) -> int:
        """All audio up to here has been dealt with, but for the oldest final that is to come."""
        return self.output.earliest_pending(self.received)


def _gap(context: Context, utterance: Utterance) -> Floats:
    """A short silence stands for the pause, however long it was."""
    return np.zeros(min(GAP, max(0, utterance.start - context.end)), np.float32)
