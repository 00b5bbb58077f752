"""One session in the ASR stage: the audio of its utterances, and what is still to be decoded."""

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

FIRST_PARTIAL: Final = SAMPLE_RATE // 2  # less audio than this gives no words worth showing
COST_PER_LENGTH: Final = 24  # an utterance gets a partial at most every 1/24 of its length
GAP: Final = SAMPLE_RATE // 10  # samples of silence between a context and an utterance
MAX_PAUSE: Final = SAMPLE_RATE * 2  # a longer pause makes what was said before no context any more
KEEP_CONTEXT: Final = 0.6  # a context grows by the next utterance up to this share of the longest
# Silence behind an utterance that is broken off: without it Moonshine ran on repeating itself at 35 of 152
# places of a recording, with it at none (measured).
REST: Final = SAMPLE_RATE * 3 // 10
GROWTH: Final = SAMPLE_RATE * 4  # samples by which a buffer grows


@dataclass(frozen=True, slots=True)
class Context:
    """What was said until sample `end`: heard together with it, a short utterance is heard right."""

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
class Guess:
    """What an utterance is heard as that maybe ended."""

    end: UtteranceEnd
    heard: ContextualTranscript

    def is_of(self, end: UtteranceEnd) -> bool:
        """Whether it is of the same silence."""
        return self.end.at == end.at

    def serves(self, decided: UtteranceEnd) -> bool:
        """Whether it is the final of the utterance that was now decided to end.

        Who says flush waits for the text: one that has less of the silence behind it will do.
        """
        return self.is_of(decided) and (decided.kind == "flush" or self.end.until == decided.until)


@dataclass(slots=True)
class Utterance:
    """An utterance that is being said: float32 audio from sample `start` on."""

    number: int
    start: int = -1  # its first audio says
    overlaps: bool = False
    language: str | None = None  # as the client said when it began
    broken_off: bool = False  # in the middle of a word: what it is heard as says little about its neighbours
    draft: tuple[int, ...] = ()  # tokens of the newest partial
    ahead: tuple[int, ...] = ()  # tokens of a newer guess, of all that was decoded for it
    decoded: int = 0  # samples in the newest hypothesis
    maybe: UtteranceEnd | None = None  # decode up to here: it may be the end
    guess: Guess | None = None  # what that gave
    since: int = 0  # when the audio or the maybe-end that is not decoded yet came (ns)
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

    def append(self, at: int, audio: Floats) -> None:
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

    replies: OrderedOutput[Utterance]
    partial_interval: int  # samples between two partials
    longest_context: int  # samples of a context and an utterance together
    received: int  # all audio up to here has come
    guesses_early: bool  # else a pass costs too much for one that only a flush would need
    utterance: Utterance | None = None
    context: Context | None = None

    def hear(self, at: int, pcm: bytes, stamps: Stamps, now: int) -> None:
        """Take audio of the utterance that is being said."""
        audio = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        self.received = max(self.received, at + len(audio))
        utterance = self.utterance
        if utterance is None:
            return
        if utterance.length <= utterance.decoded:
            utterance.since = now
        utterance.stamps = stamps
        utterance.append(at, audio)

    def begin(self, number: int, *, overlaps: bool = False) -> None:
        """An utterance begins; its audio may overlap the one before."""
        self.utterance = Utterance(number, overlaps=overlaps, language=self.replies.spoken)

    def maybe(self, end: UtteranceEnd, now: int) -> None:
        """The utterance may have ended: what it would then be is decoded ahead."""
        if self.utterance is not None and (end.kind == "maybe" or self.guesses_early):
            self.utterance.maybe, self.utterance.since = end, now

    def finish(self, end: UtteranceEnd, now: int) -> None:
        """The end is decided: its final is next, ready if it was guessed right."""
        utterance, self.utterance = self.utterance, None
        if utterance is None:
            self.replies.give_up(end)
            if end.kind == "cut":
                self.begin(end.utterance + 1)
            return
        utterance.broken_off = end.kind == "end" and end.resume < end.until
        if end.kind == "cut":
            self._carry_over(utterance, end)
        if utterance.guess is not None and utterance.guess.serves(end):
            heard = utterance.guess.heard
            self.context = heard.context
            self.replies.say(self.replies.final(utterance.said, end, heard.transcript, 0))
        else:
            self.replies.await_final(utterance, end, now)

    def _carry_over(self, before: Utterance, cut: UtteranceEnd) -> None:
        overlaps = cut.resume < cut.until
        after = Utterance(cut.utterance + 1, cut.resume, overlaps, self.replies.spoken)
        after.append(cut.resume, before.audio(before.end)[cut.resume - before.start :])
        after.stamps = cut.stamps
        self.utterance = after

    def abandon(self) -> None:
        """The session is gone: nothing outside of this object remembers it."""

    def waiting(self) -> Work["UtteranceSession"] | None:
        """The most urgent work of this session, if there is any."""
        if head := self.replies.head:
            return Work(self, WorkKind.FINAL, head.since)
        utterance = self.utterance
        if utterance is None:
            return None
        if maybe := utterance.maybe:
            # a flush right behind the audio has its text already, if it need not wait for this pass
            guessed = utterance.guess is not None and utterance.guess.is_of(maybe)
            return Work(self, WorkKind.AHEAD, utterance.since, yields=maybe.kind == "early", patient=guessed)
        if self._partial_is_due(utterance):
            return Work(self, WorkKind.PARTIAL, utterance.since, yields=self.replies.opened.degraded)
        return None

    def job(self, kind: WorkKind) -> Job:
        """What to decode for the work that `waiting` named."""
        utterance, until = self._due(kind)
        audio, draft = utterance.audio(until), utterance.draft
        if utterance.broken_off:
            audio = np.concatenate([audio, np.zeros(REST, np.float32)])
        if kind is not WorkKind.PARTIAL and (context := self._context_for(utterance, audio)):
            audio = np.concatenate([context.audio, _gap(context, utterance), audio])
            draft = (*context.tokens, *draft)
        if kind is not WorkKind.PARTIAL and utterance.ahead:
            draft = utterance.ahead
        opened = self.replies.opened
        return Job(audio, draft, utterance.language, opened.vocabulary, opened.word_timestamps)

    def take(self, kind: WorkKind, job: Job, transcript: Transcript, inference_ns: int) -> None:
        """Queue what becomes of the result of `job`."""
        utterance, until = self._due(kind)
        if kind is WorkKind.PARTIAL:
            utterance.draft, utterance.ahead = transcript.tokens, ()
            utterance.decoded = until - utterance.start
            self.replies.partial(utterance.said, transcript, until, utterance.stamps, inference_ns)
            return
        heard = self._hear_in_context(utterance, job, transcript, until)
        if kind is WorkKind.FINAL:
            assert self.replies.head is not None
            end = self.replies.head.end
            self.context = None if utterance.broken_off else heard.context
            final = self.replies.final(utterance.said, end, heard.transcript, inference_ns)
            self.replies.settle((final, b""))
            return
        assert utterance.maybe is not None
        maybe, utterance.maybe = utterance.maybe, None
        utterance.guess, utterance.ahead = Guess(maybe, heard), transcript.tokens
        utterance.decoded = until - utterance.start
        if maybe.kind == "maybe":
            self.replies.text_end(maybe.at, heard.transcript)
        self.replies.partial(utterance.said, heard.transcript, until, maybe.stamps, inference_ns)

    def fail(self, kind: WorkKind, why: str) -> None:
        """The engine can't decode what is due: the utterance is given up."""
        if head := self.replies.head:
            self.replies.lose_head(head.utterance.said, why)
        else:
            assert self.utterance is not None
            self.replies.lose(self.utterance.said, self.utterance.end, why)
            self.utterance = None

    def _partial_is_due(self, utterance: Utterance) -> bool:
        """Only the newest counts: none is decoded while audio that was heard before is still coming."""
        if not self.replies.interim_results or self.received < self.replies.opened.replayed:
            return False
        new = utterance.length - utterance.decoded
        often = max(self.partial_interval, utterance.length // COST_PER_LENGTH)
        # it comes in whole windows of the VAD: one that is not full yet is no reason to wait for a chunk more
        return utterance.length > FIRST_PARTIAL - WINDOW and new > often - WINDOW

    def _due(self, kind: WorkKind) -> tuple[Utterance, int]:
        """The utterance to decode, and up to where."""
        if kind is WorkKind.FINAL:
            head = self.replies.head
            assert head is not None
            return head.utterance, head.end.until
        assert self.utterance is not None
        maybe = self.utterance.maybe
        return self.utterance, self.utterance.end if maybe is None else maybe.until

    def _context_for(self, utterance: Utterance, audio: Floats) -> Context | None:
        context = self.context
        if context is None or not context.words or utterance.overlaps or utterance.broken_off:
            return None
        near = utterance.start - context.end <= MAX_PAUSE
        fits = len(context.audio) + GAP + len(audio) <= self.longest_context
        return context if near and fits else None

    def _hear_in_context(
        self, utterance: Utterance, job: Job, transcript: Transcript, until: int
    ) -> ContextualTranscript:
        """Take from the joined transcript what belongs to the utterance.

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
        return self.replies.earliest_pending(self.received)


def _gap(context: Context, utterance: Utterance) -> Floats:
    """A short silence stands for the pause, however long it was."""
    return np.zeros(min(GAP, max(0, utterance.start - context.end)), np.float32)
