"""Plays many sessions to the ASR stage in this process, on a clock that the engine's forward passes move.

Audio arrives on that clock at the pace of speech, as the VAD stage sends it. Each forward pass moves the
clock by the time that it really takes. So minutes of hundreds of sessions take as long as their forward
passes, and only the ASR stage is measured.
"""

import heapq
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import numpy as np

from bench.load.vad_trace import SECOND, TimedMessage, VadTrace
from dalston_realtime.protocol.events import SessionEnd, decode_event
from engines.base import Engine
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import samples
from stages.messages import SPECULATIVE, Audio, EncodedEvent, Hypothesis, Message, Open, UtteranceEnd

GIVE_UP: Final = 10 * SECOND  # Nanoseconds of lag at which a run ends: the engine will not catch up.
STAGGER_S: Final = 0.618  # Seconds between two session starts, modulo 2: starts spread evenly over 2 s.
PAUSE: Final = SECOND // 2  # Nanoseconds between two recordings of a session.
PARTIAL_MS: Final = 200  # Milliseconds between partials; less than the server's default of 300.


@dataclass(slots=True)
class EngineTranscript:
    """One playing of a trace: when its audio and its endpoints arrived (ns), and the transcript."""

    trace: VadTrace
    audio_ends: list[int] = field(default_factory=list)  # Sample index behind each piece of audio.
    arrivals: list[int] = field(default_factory=list)  # When each of them arrived.
    endpoints: dict[int, int] = field(default_factory=dict)  # When the end of each utterance was announced.
    text: str = ""

    def record_arrival(self, now: int, message: Message, payload: bytes) -> None:
        """Remember when audio or an endpoint arrived."""
        if isinstance(message, Audio):
            self.audio_ends.append(message.start + len(payload) // 2)
            self.arrivals.append(now)
        elif isinstance(message, UtteranceEnd) and message.kind not in SPECULATIVE:
            self.endpoints[message.utterance] = now

    def lag(self, now: int, hypothesis: Hypothesis) -> int:
        """Nanoseconds since the arrival of the last audio, or for a final since that of the endpoint."""
        if hypothesis.final:
            return now - self.endpoints[hypothesis.utterance]
        last = min(bisect_left(self.audio_ends, hypothesis.end), len(self.arrivals) - 1)
        return now - self.arrivals[last]


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What one number of sessions came to; lags and forward passes in seconds.

    `pairs` are reference texts with the transcripts of them. `gave_up`: the lag grew beyond all bounds.
    """

    sessions: int
    lags: tuple[float, ...]
    steps: tuple[float, ...]
    pairs: tuple[tuple[str, str], ...]
    gave_up: bool

    def p95(self) -> float:
        """The 95th percentile of the lag, infinite where the run gave up."""
        return float("inf") if self.gave_up or not self.lags else float(np.percentile(self.lags, 95))

    def step(self) -> float:
        """The median time of a forward pass."""
        return float(np.median(self.steps)) if self.steps else 0.0


class EnginePlayback:
    """Sessions on an ASR stage with one engine; `timer` (ns) measures its forward passes."""

    def __init__(
        self,
        engine: Engine,
        traces: Sequence[VadTrace],
        sessions: int,
        seconds: float,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._now, self._timer = 0, timer
        self._variant = engine.info.variant
        self._stage = AsrStage({self._variant: engine}, sessions, samples(PARTIAL_MS), lambda: self._now)
        self._assembler = AssemblerStage(lambda: self._now)
        self._transcripts: dict[str, EngineTranscript] = {}
        self._sessions = sessions
        self._lags: list[int] = []
        self._steps: list[float] = []
        speakers = [self._messages_of(number, traces, seconds) for number in range(sessions)]
        self._arriving = heapq.merge(*speakers, key=lambda timed: timed[0])

    def _messages_of(
        self, speaker: int, traces: Sequence[VadTrace], seconds: float
    ) -> Iterator[TimedMessage]:
        """One recording after the other, each as a session of its own, for so many seconds."""
        start = int((speaker * STAGGER_S % 2) * SECOND)
        turn = speaker
        while start < seconds * SECOND:
            trace = traces[turn % len(traces)]
            session = f"{speaker}.{turn}"
            self._transcripts[session] = EngineTranscript(trace)
            for at, message, payload in trace.messages:
                changes = {"session": session}
                if isinstance(message, Open):
                    changes["model"] = self._variant
                yield start + at, replace(cast(Any, message), **changes), payload
            start, turn = start + trace.length + PAUSE, turn + 1

    def run(self) -> EngineLoad:
        """Play until everything is transcribed, or until the lag is too large."""
        upcoming = next(self._arriving, None)
        while upcoming is not None or self._stage.busy:
            while upcoming is not None and upcoming[0] <= self._now:
                self._deliver(upcoming)
                upcoming = next(self._arriving, None)
            if self._stage.busy:
                self._run_forward_pass()
            elif upcoming is not None:
                self._now = upcoming[0]
            if self._lags and self._lags[-1] > GIVE_UP:
                return self._load(gave_up=True)
        return self._load(gave_up=False)

    def _load(self, *, gave_up: bool) -> EngineLoad:
        pairs = tuple((each.trace.text, each.text) for each in self._transcripts.values() if each.trace.text)
        lags = tuple(lag / SECOND for lag in self._lags)
        return EngineLoad(self._sessions, lags, tuple(self._steps), pairs, gave_up)

    def _deliver(self, timed: TimedMessage) -> None:
        at, message, payload = timed
        self._transcripts[message.session].record_arrival(at, message, payload)  # type: ignore[union-attr]
        self._handle_results(self._stage.handle(message, payload, self._now))

    def _run_forward_pass(self) -> None:
        began = self._timer()
        packets = list(self._stage.work(self._now))
        took = self._timer() - began
        self._now += took
        self._steps.append(took / SECOND)
        self._handle_results(packets)

    def _handle_results(self, packets: Iterable[Packet]) -> None:
        for message, payload in packets:
            if isinstance(message, Hypothesis):
                self._lags.append(self._transcripts[message.session].lag(self._now, message))
            for event, encoded in self._assembler.handle(message, payload, self._now):
                if isinstance(event, EncodedEvent) and isinstance(end := decode_event(encoded), SessionEnd):
                    self._transcripts[event.session].text = end.transcript or ""
