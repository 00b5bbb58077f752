"""Plays a recording through the stages in this process, on a clock of its own."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.load.chunks import CHUNK_S, TAIL_S, chunks
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig
from engines.base import Engine
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import Audio, Close, Event, Hypothesis, Message, TextEnd
from stages.process import Stage
from stages.receiver.opening import opening
from stages.vad.stage import Vad, VadStage

SESSION: Final = "replay"
ROUTE: Final = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class EndpointingTranscript:
    """The finals of a recording, and how long after the end of their speech each came (s)."""

    finals: tuple[str, ...]
    delays: tuple[float, ...]


class Replay:
    """One session through VAD, ASR and assembler; `decode_s` is what a pass of the engine takes."""

    def __init__(self, vad: Vad, engine: Engine, decode_s: float) -> None:
        self._decode_s, self._now = decode_s, 0.0
        self._vad = VadStage(vad, EndpointRules(), self._clock)
        self._asr = AsrStage({"fast": engine}, 1, samples(300), self._clock)
        self._assembler = AssemblerStage(self._clock)
        self._done = 0.0  # when the last pass of the engine is over
        self._hints: list[tuple[float, int, TextEnd]] = []  # heap: when it comes to the VAD stage
        self._finals: list[str] = []
        self._delays: list[float] = []

    def hear(self, pcm: bytes, silence: MinSilence) -> EndpointingTranscript:
        """What becomes of a recording."""
        self._give(opening(SESSION, ROUTE, SessionConfig(min_silence_ms=silence, interim_results=False)))
        at = 0
        for number, chunk in enumerate(chunks(pcm, TAIL_S), 1):
            self._until(number * CHUNK_S)
            self._give(Audio(SESSION, ROUTE, at, (self._clock(), self._clock())), chunk)
            at += len(chunk) // BYTES_PER_SAMPLE
        self._give(Close(SESSION, ROUTE, "end", at, (self._clock(), self._clock())))
        return EndpointingTranscript(tuple(self._finals), tuple(self._delays))

    def _clock(self) -> int:
        return round(self._now * 1e9)

    def _until(self, then: float) -> None:
        """Let time pass, and hints come to the VAD stage when they are due."""
        while self._hints and self._hints[0][0] <= then:
            self._now, _, hint = heapq.heappop(self._hints)
            self._give(hint)
        self._now = then

    def _give(self, message: Message, payload: bytes = b"") -> None:
        for each, audio in _through(self._vad, message, payload, self._clock()):
            for said, _ in self._asr.handle(each, audio, self._clock()):
                self._hear(said, max(self._now, self._done))
            while self._asr.busy:
                self._done = self._now + self._decode_s
                for said, _ in self._asr.work(self._clock()):
                    self._hear(said, self._done)

    def _hear(self, said: Message, at: float) -> None:
        if isinstance(said, TextEnd):
            heapq.heappush(self._hints, (at, len(self._hints), said))
            return
        for message, _ in _through(self._assembler, said, b"", self._clock()):
            if isinstance(message, Event) and message.kind == "transcript.final":
                assert isinstance(said, Hypothesis)
                self._finals.append(message.fields["text"])
                self._delays.append(at - said.end / SAMPLE_RATE)


def _through(stage: Stage, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
    yield from stage.handle(message, payload, now)
    while stage.busy:
        yield from stage.work(now)
