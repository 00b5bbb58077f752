"""Plays a recording through VAD, ASR and assembler in this process, on a simulated clock.

On this clock each pass of the engine takes the same time, so the result does not depend on how busy the
machine is.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.load.chunks import CHUNK_S, TAIL_S, chunks
from bench.load.vad_trace import ROUTE
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import decode_event
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig
from engines.base import Engine
from runtime.worker_link import VERSION, OpenSession
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import Audio, Close, EncodedEvent, Hypothesis, Message, TextEnd
from stages.process import Stage
from stages.receiver.opening import openings
from stages.vad.speech_guard import Vad
from stages.vad.stage import VadStage

SESSION: Final = "replay"
PARTIAL_MS: Final = 300  # Milliseconds between partials; of no effect, since the sessions ask for none.


@dataclass(frozen=True, slots=True)
class EndpointingTranscript:
    """The finals of a recording, and how many seconds after the end of its speech each came."""

    finals: tuple[str, ...]
    delays: tuple[float, ...]


class StageReplay:
    """One session through VAD, ASR and assembler; a pass of the engine takes `decode_s` seconds."""

    def __init__(self, vad: Vad, engine: Engine, decode_s: float) -> None:
        self._decode_s, self._now = decode_s, 0.0
        self._vad = VadStage(vad, EndpointRules(), self._clock)
        self._asr = AsrStage({"fast": engine}, 1, samples(PARTIAL_MS), self._clock)
        self._assembler = AssemblerStage(self._clock)
        self._pass_ends = 0.0  # When the latest pass of the engine ends, in seconds.
        self._text_ends: list[tuple[float, int, TextEnd]] = []  # Heap, by when each reaches the VAD stage.
        self._finals: list[str] = []
        self._delays: list[float] = []

    def transcribe(self, pcm: bytes, silence: MinSilence) -> EndpointingTranscript:
        """Play a recording, and return its finals."""
        config = SessionConfig(min_silence_ms=silence, interim_results=False)
        request = OpenSession(version=VERSION, session_id=SESSION, link_id="", config=config)
        self._deliver(openings(request, ROUTE)[0])
        at = 0
        for number, chunk in enumerate(chunks(pcm, TAIL_S), 1):
            self._advance_clock(number * CHUNK_S)
            self._deliver(Audio(SESSION, ROUTE, at, (self._clock(), self._clock())), chunk)
            at += len(chunk) // BYTES_PER_SAMPLE
        self._deliver(Close(SESSION, ROUTE, "end", at, (self._clock(), self._clock())))
        return EndpointingTranscript(tuple(self._finals), tuple(self._delays))

    def _clock(self) -> int:
        return round(self._now * 1e9)

    def _advance_clock(self, then: float) -> None:
        """Let time pass, and deliver to the VAD stage the ends of texts that are due until then."""
        while self._text_ends and self._text_ends[0][0] <= then:
            self._now, _, text_end = heapq.heappop(self._text_ends)
            self._deliver(text_end)
        self._now = then

    def _deliver(self, message: Message, payload: bytes = b"") -> None:
        """Give a message to the VAD stage, and what it sends on to the ASR stage."""
        for each, audio in stage_outputs(self._vad, message, payload, self._clock()):
            for packet in self._asr.handle(each, audio, self._clock()):
                self._handle_result(packet, max(self._now, self._pass_ends))
            while self._asr.busy:
                self._pass_ends = self._now + self._decode_s
                for packet in self._asr.work(self._clock()):
                    self._handle_result(packet, self._pass_ends)

    def _handle_result(self, packet: Packet, at: float) -> None:
        result, encoded = packet
        if isinstance(result, TextEnd):
            heapq.heappush(self._text_ends, (at, len(self._text_ends), result))
            return
        for message, payload in stage_outputs(self._assembler, result, encoded, self._clock()):
            if isinstance(message, EncodedEvent) and isinstance(event := decode_event(payload), FinalEvent):
                assert isinstance(result, Hypothesis)
                self._finals.append(event.text)
                self._delays.append(at - result.end / SAMPLE_RATE)


def stage_outputs(stage: Stage, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
    """All that a stage sends because of a message."""
    yield from stage.handle(message, payload, now)
    while stage.busy:
        yield from stage.work(now)
