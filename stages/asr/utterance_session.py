"""Holds one session of an engine that decodes whole utterances, and says what is to be decoded next."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Job, Transcript
from engines.silero import WINDOW
from stages.asr.batcher import Work, WorkKind
from stages.asr.context import KEEP_CONTEXT, Context, OwnHypothesis, agrees, without_broken_word
from stages.asr.ordered_output import OrderedOutput
from stages.asr.utterance import DecodedUtterance, SpeculativeFinal, Utterance
from stages.messages import Stamps, UtteranceEnd

FIRST_PARTIAL: Final = SAMPLE_RATE // 2  # Samples: less audio than this gives no words worth showing.
PARTIALS_PER_LENGTH: Final = 24  # A partial comes at most every 1/24 of the utterance: long ones cost more.
PARTIAL_REST: Final = SAMPLE_RATE // 10
"""Samples of silence behind the audio of a partial, which mostly stops inside a word. Of 719 partials of 90
utterances the model does not end 118 by itself without it and 1 with it, for 2 % more CPU; 14.0 and 12.4 % of
their words are not in the final (measured)."""


@dataclass(slots=True)
class UtteranceSession:
    """A session of an engine that decodes whole utterances, and their beginnings for partials."""

    output: OrderedOutput[Utterance]
    partial_interval: int  # samples between two partials
    longest_context: int  # samples of a context and an utterance together
    rest: int  # samples of silence that the engine needs behind an utterance
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
        after = Utterance(cut.utterance + 1, overlaps=overlaps, language=self.output.spoken)
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
        utterance, until, end = self._due(kind)
        audio, opened = utterance.audio(until), self.output.opened
        prefix: tuple[int, ...] = ()
        before = 0
        silence = min(self.rest, PARTIAL_REST) if end is None else max(0, self.rest - (end.until - end.at))
        audio = np.concatenate([audio, np.zeros(silence, np.float32)])
        if end is not None and (context := self._context_for(utterance, until)):
            utterance_only = len(audio)
            audio, prefix = context.before(utterance.start, audio), context.tokens
            before = len(audio) - utterance_only
        timed = opened.word_timestamps and end is not None
        language, vocabulary = utterance.language, opened.vocabulary
        return Job(audio, utterance.draft, prefix, before, language, vocabulary, timed)

    def handle_transcript(self, kind: WorkKind, job: Job, transcript: Transcript, inference_ns: int) -> None:
        """Emit what becomes of the result of `job`.

        One that was decoded with context and does not agree with what is known without it stays due, without.
        """
        utterance, until, end = self._due(kind)
        utterance.draft, utterance.decoded = transcript.tokens, until - utterance.start
        if end is None:
            utterance.own = OwnHypothesis(transcript, until)
            if kind is WorkKind.PARTIAL:
                self.output.emit_partial(utterance.said, transcript, until, utterance.stamps, inference_ns)
            return
        decoded = self._decide(utterance, job, OwnHypothesis(transcript, until), end)
        if decoded is None:
            utterance.doubtful = OwnHypothesis(transcript, until)
        elif kind is WorkKind.FINAL:
            self._resolve_final(utterance, end, decoded, inference_ns)
        else:
            utterance.possible_end = None
            utterance.speculative = SpeculativeFinal(end, decoded)
            if end.kind == "likely":
                self.output.emit_text_end(end.at, decoded.transcript)
            self.output.emit_partial(utterance.said, decoded.transcript, until, end.stamps, inference_ns)

    def _resolve_final(
        self, utterance: Utterance, end: UtteranceEnd, decoded: DecodedUtterance, inference_ns: int
    ) -> None:
        transcript, own = decoded.transcript, utterance.own
        self.context = None if _stops_in_word(end) else decoded.context
        if end.resume < end.until and own is not None and own.until > end.until:
            text = without_broken_word(transcript.text, own.transcript.text.split())
            transcript = replace(transcript, text=text)
        final = self.output.make_final(utterance.said, end, transcript, inference_ns)
        self.output.resolve((final, b""))

    def _decide(
        self, utterance: Utterance, job: Job, heard: OwnHypothesis, end: UtteranceEnd
    ) -> DecodedUtterance | None:
        """What an utterance's transcript is; None if it has to be decoded without context to know."""
        own, audio = utterance.own, utterance.audio(heard.until)
        if job.prefix:
            if own is None or not agrees(heard.transcript, own, end.at - own.until):
                return None
            return self._with_context(heard, audio, utterance.start)
        doubtful = utterance.doubtful
        if doubtful is not None and doubtful.until == heard.until and agrees(doubtful.transcript, heard, 0):
            return self._with_context(doubtful, audio, utterance.start)
        return DecodedUtterance(heard.transcript, Context(audio, heard.transcript.tokens, heard.until))

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

    def _due(self, kind: WorkKind) -> tuple[Utterance, int, UtteranceEnd | None]:
        """The utterance to decode, up to where, and its end if it has one."""
        if kind is WorkKind.FINAL:
            head = self.output.head
            assert head is not None
            if _is_unsure(head.utterance, head.end):
                return head.utterance, head.utterance.end, None
            return head.utterance, head.end.until, head.end
        assert self.utterance is not None
        end = self.utterance.possible_end if kind is WorkKind.SPECULATIVE else None
        return self.utterance, self.utterance.end if end is None else end.until, end

    def _context_for(self, utterance: Utterance, until: int) -> Context | None:
        """The context to decode an utterance with up to sample `until`, if that has not failed already."""
        context, doubtful = self.context, utterance.doubtful
        if context is None or not context.tokens or utterance.overlaps:
            return None
        if doubtful is not None and doubtful.until == until:
            return None
        samples = until - utterance.start
        return context if context.reaches(utterance.start, samples, self.longest_context) else None

    def _with_context(self, heard: OwnHypothesis, audio: Floats, start: int) -> DecodedUtterance:
        """The context goes on growing while it is short; then it is the last utterance alone."""
        assert self.context is not None
        tokens, joined = heard.transcript.tokens, self.context.before(start, audio)
        if len(joined) <= self.longest_context * KEEP_CONTEXT:
            context = Context(joined, (*self.context.tokens, *tokens), heard.until)
        else:
            context = Context(audio, tokens, heard.until)
        return DecodedUtterance(heard.transcript, context)

    @property
    def processed(self) -> int:
        """All audio up to here has been dealt with, but for the oldest final that is to come."""
        return self.output.earliest_pending(self.received)


def _is_unsure(utterance: Utterance, end: UtteranceEnd) -> bool:
    """Whether a cut in speech may have broken a word, and nothing was decoded yet of the audio behind it."""
    decoded = utterance.own.until if utterance.own else 0
    return end.resume < end.until and end.kind == "cut" and decoded <= end.until < utterance.end


def _stops_in_word(end: UtteranceEnd) -> bool:
    """Whether the audio ends where somebody speaks: a stall, or a flush right behind the audio."""
    return end.resume < end.until if end.kind == "end" else end.kind == "flush" and end.at >= end.until
