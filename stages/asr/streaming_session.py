"""Holds one session of a streaming engine, and feeds it the audio of utterances chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Chunk, Floats, Transcript
from stages.asr.audio_buffer import AudioBuffer
from stages.asr.batcher import Work, WorkKind
from stages.asr.ordered_output import OrderedOutput, OutputText
from stages.endpoint_rules import EndpointRules
from stages.messages import Stamps, UtteranceEnd

OVERLAP: Final = EndpointRules().overlap[1]  # Samples that are decoded again behind a cut, at most.
OPEN_FOR: Final = SAMPLE_RATE  # Samples after which a silence is over, or has ended the utterance.

_streams = count(1)  # Numbers of streams are never used twice in a process.


@dataclass(slots=True)
class StreamProgress:
    """An utterance that is being fed to the engine. All of its audio is kept: a stream may be lost."""

    number: int
    overlaps: bool = False
    language: str | None = None  # as the client said when it began
    id: int = field(default_factory=lambda: next(_streams))
    fed: int = 0  # the engine has all samples up to here
    heard: int = (
        0  # the engine has said what it makes of all samples up to here, in this stream or one before
    )
    lost_at: int = -1  # the engine had all samples up to here when the step behind them failed
    opened: bool = False  # the engine knows the stream
    possible_end: UtteranceEnd | None = None  # its speech may have ended here
    text: str = ""
    since: int = 0  # when the audio that is not fed yet began to wait (ns)
    stamps: Stamps = ()
    audio: AudioBuffer = field(default_factory=AudioBuffer)

    @property
    def said(self) -> OutputText:
        """How a hypothesis names it."""
        return OutputText(self.number, max(0, self.audio.start), self.overlaps)

    @property
    def end(self) -> int:
        """The sample after the last one that is here."""
        return self.audio.end

    def extend(self, at: int, audio: Floats) -> None:
        """Take samples that begin at index `at`; what is here already is not taken twice."""
        if self.audio.start < 0:
            self.fed = self.heard = at
        self.audio.extend(at, audio)

    def on_fed(self, samples: int, *, last: bool) -> None:
        """The engine has taken so many samples more."""
        self.opened, self.fed = not last, self.fed + samples
        self.heard = max(self.heard, self.fed)

    def restart(self) -> None:
        """The engine gets all of it again, under another number."""
        self.id, self.opened, self.lost_at, self.fed = next(_streams), False, self.fed, self.audio.start


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
        if stream is None or stream.audio.start < 0:
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
        self.stream.extend(cut.resume, before.audio.between(cut.resume, before.end))

    def close(self) -> None:
        """The session is gone: free its streams."""
        pending = [item.utterance for item in self.output.pending()]
        for stream in [*pending, self.stream]:
            if stream is not None and stream.opened:
                self.drop(stream.id)

    def next_work(self) -> Work["StreamingSession"] | None:
        """The next step of this session, if there is one."""
        head, stream = self.output.head, self.stream
        if head is None and (stream is None or stream.end - stream.fed < self.chunk):
            return None
        due, _ = self._due()
        since = due.since if head is None else head.since
        return Work(self, WorkKind.STEP, since, alone=due.fed == due.lost_at)

    def make_job(self, kind: WorkKind) -> Chunk:
        """The next chunk: of the oldest utterance that is over, else of the one that is being said."""
        stream, until = self._due()
        end = min(stream.fed + self.chunk, until)
        opened = self.output.opened
        return Chunk(
            stream.id,
            stream.audio.between(stream.fed, end),
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
        stream.on_fed(len(job.audio), last=job.last)
        if job.last:
            assert self.output.head is not None
            end = self.output.head.end
            self.output.resolve((self.output.make_final(stream.said, end, transcript, inference_ns), b""))
        elif self.output.head is None and stream.fed == stream.heard:  # else its final is a step or two away
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
            self.output.fail(stream.said, stream.heard, why)

    def feed_again(self) -> bool:
        """The engine has lost the stream that is due in a step of several, of which any may be the cause.

        All of its audio is fed again, and the step at which it was lost is taken alone. False where it has
        failed there alone: that would be in vain.
        """
        stream, _ = self._due()
        if stream.fed == stream.lost_at:
            return False
        self.drop(stream.id)
        stream.restart()
        return True

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
    heard = stream.heard
    if heard <= cut.until:
        return cut
    resume = max(cut.resume, heard - OVERLAP)
    return replace(cut, at=heard, until=heard, resume=resume, decided=max(cut.decided, heard))
