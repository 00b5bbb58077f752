"""Holds one session of a streaming engine, and feeds it the audio of utterances chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Chunk, Floats, Transcript
from stages.asr.batcher import Work, WorkKind
from stages.asr.ordered_output import OrderedOutput, OutputText
from stages.endpoint_rules import EndpointRules
from stages.messages import Stamps, UtteranceEnd

OVERLAP: Final = EndpointRules().overlap[1]  # Samples that are decoded again behind a cut, at most.
KEEP: Final = 2 * SAMPLE_RATE  # Samples kept before what is not fed yet: an overlap and more.
OPEN_FOR: Final = SAMPLE_RATE  # Samples after which a silence is over, or has ended the utterance.

_streams = count(1)  # Numbers of streams are never used twice in a process.


@dataclass(slots=True)
class StreamProgress:
    """An utterance that is being fed to the engine: float32 audio from sample `base` on."""

    number: int
    start: int = -1  # its first audio says
    overlaps: bool = False
    language: str | None = None  # as the client said when it began
    id: int = field(default_factory=lambda: next(_streams))
    base: int = 0
    fed: int = 0  # the engine has all samples up to here
    opened: bool = False  # the engine knows the stream
    possible_end: UtteranceEnd | None = None  # its speech may have ended here
    text: str = ""
    since: int = 0  # when the audio that is not fed yet began to wait (ns)
    stamps: Stamps = ()
    audio: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def said(self) -> OutputText:
        """How a hypothesis names it."""
        return OutputText(self.number, max(0, self.start), self.overlaps)

    @property
    def end(self) -> int:
        """The sample after the last one that is here."""
        return self.base + len(self.audio)

    def extend(self, at: int, audio: Floats) -> None:
        """Take samples that begin at index `at`; what is here already is not taken twice."""
        if self.start < 0:
            self.start = self.base = self.fed = at
        surplus = max(0, self.fed - KEEP - self.base)
        self.base += surplus
        self.audio = np.concatenate([self.audio[surplus:], audio[max(0, self.end - surplus - at) :]])

    def slice(self, start: int, end: int) -> Floats:
        """The samples from `start` to `end`, as far as they are kept."""
        return self.audio[max(0, start - self.base) : max(0, end - self.base)]


@dataclass(slots=True)
class StreamingSession:
    """The session; `chunk` is the engine's step in samples, `drop` frees a stream of the engine."""

    output: OrderedOutput[StreamProgress]
    chunk: int
    drop: Callable[[int], None]
    received: int  # all audio up to here has come
    stream: StreamProgress | None = None

    def append_utterance_audio(self, at: int, pcm: bytes, stamps: Stamps, now: int) -> None:
        """Append audio of the utterance that is being said."""
        audio = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        self.received = max(self.received, at + len(audio))
        if self.stream is not None:
            if self.stream.end - self.stream.fed < self.chunk:
                self.stream.since = now
            self.stream.stamps = stamps
            self.stream.extend(at, audio)

    def begin_utterance(self, number: int, *, overlaps: bool = False) -> None:
        """An utterance begins; its audio may overlap the one before."""
        self.stream = StreamProgress(number, overlaps=overlaps, language=self.output.spoken)

    def expect_end(self, end: UtteranceEnd, now: int) -> None:
        """The utterance may have ended: the text says more once the engine has all of its audio."""
        if self.stream is not None and end.kind == "likely":
            self.stream.possible_end = end

    def end_utterance(self, end: UtteranceEnd, now: int) -> None:
        """The end is decided: the rest of its audio is next; after a cut the next utterance begins."""
        stream, self.stream = self.stream, None
        if stream is None or stream.start < 0:
            self.output.abandon(end)
            if end.kind == "cut":
                self.begin_utterance(end.utterance + 1)
            return
        if end.kind == "cut":
            end = _move_cut_to_fed(stream, end)
            self._carry_over(stream, end, now)
        self.output.reserve_final(stream, end, now)

    def _carry_over(self, before: StreamProgress, cut: UtteranceEnd, now: int) -> None:
        """The utterance behind a cut begins, with the audio that has come of it."""
        self.begin_utterance(cut.utterance + 1, overlaps=cut.resume < cut.until)
        assert self.stream is not None
        self.stream.since, self.stream.stamps = now, cut.stamps
        self.stream.extend(cut.resume, before.slice(cut.resume, before.end))

    def close(self) -> None:
        """The session is gone: free its streams."""
        pending = [item.utterance for item in self.output.pending()]
        for stream in [*pending, self.stream]:
            if stream is not None and stream.opened:
                self.drop(stream.id)

    def next_work(self) -> Work["StreamingSession"] | None:
        """The next step of this session, if there is one."""
        if head := self.output.head:
            return Work(self, WorkKind.STEP, head.since)
        stream = self.stream
        if stream is not None and stream.end - stream.fed >= self.chunk:
            return Work(self, WorkKind.STEP, stream.since)
        return None

    def make_job(self, kind: WorkKind) -> Chunk:
        """The next chunk: of the oldest utterance that is over, else of the one that is being said."""
        stream, until = self._due()
        end = min(stream.fed + self.chunk, until)
        opened = self.output.opened
        return Chunk(
            stream.id,
            stream.slice(stream.fed, end),
            first=not stream.opened,
            last=self.output.head is not None and end >= until,
            language=stream.language,
            vocabulary=opened.vocabulary,
            word_timestamps=opened.word_timestamps,
        )

    def handle_transcript(
        self, kind: WorkKind, job: Chunk, transcript: Transcript, inference_ns: int
    ) -> None:
        """Emit what becomes of the result of `job`."""
        stream, _ = self._due()
        stream.opened, stream.fed = not job.last, stream.fed + len(job.audio)
        if job.last:
            assert self.output.head is not None
            end = self.output.head.end
            self.output.resolve((self.output.make_final(stream.said, end, transcript, inference_ns), b""))
        elif self.output.head is None:  # else its final is a step or two away
            self._emit_partial(stream, transcript, inference_ns)

    def _emit_partial(self, stream: StreamProgress, transcript: Transcript, inference_ns: int) -> None:
        end = stream.possible_end
        if end is not None and 0 <= stream.fed - end.until <= OPEN_FOR:
            self.output.emit_text_end(end.at, transcript)
        if transcript.text != stream.text:
            stream.text = transcript.text
            self.output.emit_partial(stream.said, transcript, stream.fed, stream.stamps, inference_ns)

    def fail_work(self, kind: WorkKind, why: str) -> None:
        """The engine can't go on with what is due: the utterance is given up."""
        stream, _ = self._due()
        if stream.opened:
            self.drop(stream.id)
        if self.output.head:
            self.output.fail_head(stream.said, why)
        else:
            self.stream = None
            self.output.fail(stream.said, stream.fed, why)

    def _due(self) -> tuple[StreamProgress, int]:
        """The stream whose step is next, and up to where it goes."""
        if head := self.output.head:
            return head.utterance, max(head.end.until, head.utterance.fed)
        assert self.stream is not None
        return self.stream, self.stream.end

    @property
    def processed(self) -> int:
        """All audio up to here has been dealt with."""
        behind = self.received
        if self.stream is not None and self.stream.end - self.stream.fed >= self.chunk:
            behind = self.stream.fed
        return min(behind, self.output.earliest_pending(behind))


def _move_cut_to_fed(stream: StreamProgress, cut: UtteranceEnd) -> UtteranceEnd:
    """The cut, moved to where the engine is if it is further: what it was fed can't be taken back.

    The next utterance then begins in what was fed, however quiet it was further back: an overlap
    that is longer than words are compared over would say them twice.
    """
    if stream.fed <= cut.until:
        return cut
    resume = max(cut.resume, stream.fed - OVERLAP)
    return replace(cut, at=stream.fed, until=stream.fed, resume=resume, decided=max(cut.decided, stream.fed))
