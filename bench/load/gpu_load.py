"""Recordings and a number of sessions in; how far an engine falls behind them out.

Audio arrives on a virtual clock at the pace of speech, as the VAD passes it on; each forward pass moves
that clock by the time that it really takes. So a minute of sessions takes as long as its forward passes,
and nothing but the ASR stage is in the figures.
"""

import heapq
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, cast

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.events import SessionEnd, decode_event
from engines.base import Engine
from engines.silero import SileroVad
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import (
    SPECULATIVE,
    Audio,
    Close,
    EncodedEvent,
    Hypothesis,
    Message,
    Open,
    Route,
    UtteranceEnd,
)
from stages.vad.stage import VadStage

PACKET: Final = SAMPLE_RATE // 10  # samples that a client sends at a time
ROUTE: Final[Route] = (0, 0, 0, 0)
SECOND: Final = 1_000_000_000  # ns
GIVE_UP: Final = 10 * SECOND  # whoever is so far behind has lost
STAGGER: Final = 0.618  # seconds by which a session begins after the one before it, modulo two

Timed: TypeAlias = tuple[int, Message, bytes]


@dataclass(frozen=True, slots=True)
class Take:
    """A recording as the ASR stage gets it: messages with the time of their coming (ns from its start)."""

    text: str
    messages: tuple[Timed, ...]
    length: int  # ns


def take(text: str, pcm: bytes, vad: SileroVad) -> Take:
    """What the VAD makes of a recording, s16le at 16 kHz."""
    now = 0
    stage = VadStage(vad, EndpointRules(), lambda: now)
    found: list[Timed] = []

    def pass_on(packets: Iterable[Packet]) -> None:
        found.extend((now, message, payload) for message, payload in packets)
        while stage.busy:
            found.extend((now, message, payload) for message, payload in stage.work(now))

    pass_on(stage.handle(Open("", ROUTE, "", "", "auto", True, True, False, 300, (), False), b"", now))
    for at in range(0, len(pcm), 2 * PACKET):
        packet = pcm[at : at + 2 * PACKET]
        now = (at + len(packet)) // 2 * SECOND // SAMPLE_RATE
        pass_on(stage.handle(Audio("", ROUTE, at // 2, ()), packet, now))
    pass_on(stage.handle(Close("", ROUTE, "end", len(pcm) // 2, ()), b"", now))
    return Take(text, tuple(found), now)


@dataclass(slots=True)
class GpuTranscript:
    """One playing of a take: when its audio and its endpoints came, and what was made of it."""

    take: Take
    ends: list[int] = field(default_factory=list)  # samples up to which audio came
    times: list[int] = field(default_factory=list)
    endpoints: dict[int, int] = field(default_factory=dict)  # of utterances, when they were told
    text: str = ""

    def note(self, now: int, message: Message, payload: bytes) -> None:
        """Remember when something came."""
        if isinstance(message, Audio):
            self.ends.append(message.start + len(payload) // 2)
            self.times.append(now)
        elif isinstance(message, UtteranceEnd) and message.kind not in SPECULATIVE:
            self.endpoints[message.utterance] = now

    def lag(self, now: int, hypothesis: Hypothesis) -> int:
        """How long (ns) after the audio, or the decision that it ends, a hypothesis comes."""
        if hypothesis.final:
            return now - self.endpoints[hypothesis.utterance]
        return now - self.times[min(bisect_left(self.ends, hypothesis.end), len(self.times) - 1)]


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """What so many sessions were like; seconds. `pairs` are true and heard texts."""

    sessions: int
    lags: tuple[float, ...]
    steps: tuple[float, ...]
    pairs: tuple[tuple[str, str], ...]
    gave_up: bool

    def p95(self) -> float:
        """The lag that 95 % of hypotheses keep below."""
        return float("inf") if self.gave_up or not self.lags else float(np.percentile(self.lags, 95))

    def step(self) -> float:
        """The median forward pass."""
        return float(np.median(self.steps)) if self.steps else 0.0


class GpuPlayback:
    """Sessions on an ASR stage with one engine; `timer` (ns) tells what a forward pass takes."""

    def __init__(
        self,
        engine: Engine,
        takes: Sequence[Take],
        sessions: int,
        seconds: float,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self._now, self._timer = 0, timer
        self._variant = engine.info.variant
        self._stage = AsrStage({self._variant: engine}, sessions, samples(200), lambda: self._now)
        self._assembler = AssemblerStage(lambda: self._now)
        self._heard: dict[str, GpuTranscript] = {}
        self._sessions = sessions
        self._lags: list[int] = []
        self._steps: list[float] = []
        lanes = [self._lane(number, takes, seconds) for number in range(sessions)]
        self._coming = heapq.merge(*lanes, key=lambda timed: timed[0])

    def _lane(self, number: int, takes: Sequence[Take], seconds: float) -> Iterator[Timed]:
        """One person after the other, for so long."""
        start = int((number * STAGGER % 2) * SECOND)
        turn = number
        while start < seconds * SECOND:
            played = takes[turn % len(takes)]
            session = f"{number}.{turn}"
            self._heard[session] = GpuTranscript(played)
            for at, message, payload in played.messages:
                changes = {"session": session}
                if isinstance(message, Open):
                    changes["model"] = self._variant
                yield start + at, replace(cast(Any, message), **changes), payload
            start, turn = start + played.length + SECOND // 2, turn + 1

    def run(self) -> GpuLoad:
        """Until all have been heard, or somebody is hopelessly behind."""
        upcoming = next(self._coming, None)
        while upcoming is not None or self._stage.busy:
            while upcoming is not None and upcoming[0] <= self._now:
                self._deliver(upcoming)
                upcoming = next(self._coming, None)
            if self._stage.busy:
                self._step()
            elif upcoming is not None:
                self._now = upcoming[0]
            if self._lags and self._lags[-1] > GIVE_UP:
                return self._load(gave_up=True)
        return self._load(gave_up=False)

    def _load(self, *, gave_up: bool) -> GpuLoad:
        pairs = tuple((heard.take.text, heard.text) for heard in self._heard.values() if heard.take.text)
        lags = tuple(lag / SECOND for lag in self._lags)
        return GpuLoad(self._sessions, lags, tuple(self._steps), pairs, gave_up)

    def _deliver(self, timed: Timed) -> None:
        at, message, payload = timed
        self._heard[message.session].note(at, message, payload)  # type: ignore[union-attr]
        self._hear(self._stage.handle(message, payload, self._now))

    def _step(self) -> None:
        began = self._timer()
        packets = list(self._stage.work(self._now))
        took = self._timer() - began
        self._now += took
        self._steps.append(took / SECOND)
        self._hear(packets)

    def _hear(self, packets: Iterable[Packet]) -> None:
        for message, payload in packets:
            if isinstance(message, Hypothesis):
                self._lags.append(self._heard[message.session].lag(self._now, message))
            for event, encoded in self._assembler.handle(message, payload, self._now):
                if isinstance(event, EncodedEvent) and isinstance(end := decode_event(encoded), SessionEnd):
                    self._heard[event.session].text = end.transcript or ""


def most_sessions(play: Callable[[int], GpuLoad], budget: float, most: int) -> Iterator[GpuLoad]:
    """Loads of 4 sessions and more until the 95th percentile of the lag breaks the budget, then between.

    The largest of them within the budget (seconds) is what the device holds, to an eighth.
    """
    good, bad, sessions = 0, most + 1, min(4, most)
    while bad - good > max(1, good // 8):
        load = play(sessions)
        yield load
        if load.p95() < budget:
            good = sessions
        else:
            bad = sessions
        sessions = min(2 * good, most) if good and bad > most else (good + bad) // 2
        if good == most:
            return
