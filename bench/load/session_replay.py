"""Plays what a client sends through VAD, ASR and assembler in this process, and records all events.

Time is simulated: a forward pass takes as long as `PassTimes` draws, and what reaches the ASR stage meanwhile
waits for its end, as it does between processes. So partials, speculative finals and flushes fall into any
order, and a busy machine changes nothing.
"""

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.load.chunks import CHUNK_S
from bench.load.stage_replay import SESSION, stage_outputs
from bench.load.vad_trace import ROUTE
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, ENCODED_BYTES
from dalston_realtime.protocol.events import Event, decode_event
from dalston_realtime.protocol.parameters import SessionConfig
from engines.base import Engine
from runtime.audio.audio_input import AudioInput
from runtime.worker_link import VERSION, OpenSession
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import (
    Audio,
    Close,
    EncodedEvent,
    Flush,
    InputTimedOut,
    Message,
    Stamps,
    TextEnd,
)
from stages.receiver.input_timeout import MARGIN_S
from stages.receiver.opening import openings
from stages.vad.speech_guard import Vad
from stages.vad.stage import VadStage

PARTIAL_MS: Final = 300  # Milliseconds between partials, the server's default.


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event, and the simulated second at which the client gets it; the first sample leaves at 0."""

    at: float
    event: Event


@dataclass(slots=True)
class PassTimes:
    """Draws how many seconds each forward pass takes, from a seed."""

    shortest: float = 0.03
    longest: float = 0.25
    draw: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    def next_s(self) -> float:
        """The length of the next pass."""
        return self.draw.uniform(self.shortest, self.longest)

    def comes_first(self) -> bool:
        """Whether a pass begins on audio before a message is there that was sent together with it."""
        return self.draw.random() < 0.5


class SessionReplay:
    """One session through the stages of a worker. Each of its methods is something that the client does."""

    def __init__(self, vad: Vad, engine: Engine, config: SessionConfig, times: PassTimes) -> None:
        self._times, self._now, self._received = times, 0.0, 0
        self._input = AudioInput(config.encoding, config.sample_rate, config.channels)
        self._rate = config.sample_rate
        self._frame_bytes = ENCODED_BYTES[config.encoding] * config.channels
        self._vad = VadStage(vad, EndpointRules(), self._clock)
        self._asr = AsrStage({config.model: engine}, 1, samples(PARTIAL_MS), self._clock)
        self._assembler = AssemblerStage(self._clock)
        self._waiting: deque[Packet] = deque()  # What has reached the ASR stage and is not handled yet.
        self._pass_results: list[Packet] | None = None  # Of the pass that is going on.
        self._pass_ends = 0.0
        self.events: list[TimedEvent] = []
        request = OpenSession(version=VERSION, session_id=SESSION, link_id="", config=config)
        self._send(openings(request, ROUTE)[0])

    def play(self, audio: bytes, pace: float = 1.0) -> None:
        """Send audio in chunks of 100 ms, `pace` times as fast as it was said."""
        size = round(CHUNK_S * self._rate) * self._frame_bytes
        for at in range(0, len(audio), size):
            chunk = audio[at : at + size]
            self.wait(len(chunk) / self._frame_bytes / self._rate / pace)
            self._send_audio(self._input.decode_bytes(chunk))

    def play_silence(self, seconds: float) -> None:
        """Send so many seconds of digital silence."""
        self.play(bytes(round(seconds * self._rate) * self._frame_bytes))

    def wait(self, seconds: float) -> None:
        """Let time pass, and the passes end that are due."""
        then = self._now + seconds
        if self._pass_results is None:
            self._begin_pass()
        while self._pass_results is not None and self._pass_ends <= then:
            self._end_pass()
        self._now = then

    def flush(self, flush_id: str) -> None:
        """Ask for a final of what was said so far."""
        self._send_audio(self._input.drain())
        self._send(Flush(SESSION, ROUTE, flush_id, self._stamps()))

    def time_out(self, silence_ms: int) -> None:
        """Send nothing for so long that what is being said has ended."""
        self.wait(silence_ms / 1000 + MARGIN_S)
        self._send_audio(self._input.drain())
        self._send(InputTimedOut(SESSION, ROUTE, self._stamps()))

    def end(self) -> None:
        """End the session, and wait for all results."""
        self._send_audio(self._input.drain())
        self._send(Close(SESSION, ROUTE, "end", self._received, self._stamps()))
        while self._pass_results is not None or self._waiting or self._asr.busy:
            if self._pass_results is None:
                self._begin_pass()
            else:
                self._end_pass()

    def _clock(self) -> int:
        return round(self._now * 1e9)

    def _stamps(self) -> Stamps:
        return (self._clock(), self._clock())

    def _send_audio(self, pcm: bytes) -> None:
        if pcm:
            at, self._received = self._received, self._received + len(pcm) // BYTES_PER_SAMPLE
            self._send(Audio(SESSION, ROUTE, at, self._stamps()), pcm)

    def _send(self, message: Message, payload: bytes = b"") -> None:
        """Give a message to the VAD stage, and what it sends on to the ASR stage once that is free."""
        self._waiting.extend(stage_outputs(self._vad, message, payload, self._clock()))
        more_may_come_at_once = isinstance(message, Audio) and not self._times.comes_first()
        if self._pass_results is None and not more_may_come_at_once:
            self._begin_pass()

    def _begin_pass(self) -> None:
        """Let the ASR stage handle what waits, and begin a pass if there is something to decode."""
        while self._waiting:
            self._handle_results(self._asr.handle(*self._waiting.popleft(), self._clock()))
        if self._asr.busy:
            self._pass_results = list(self._asr.work(self._clock()))
            self._pass_ends = self._now + self._times.next_s()

    def _end_pass(self) -> None:
        self._now = max(self._now, self._pass_ends)
        results, self._pass_results = self._pass_results or [], None
        self._handle_results(results)
        self._begin_pass()

    def _handle_results(self, packets: Iterable[Packet]) -> None:
        for result, encoded in packets:
            if isinstance(result, TextEnd):
                self._waiting.extend(stage_outputs(self._vad, result, b"", self._clock()))
                continue
            for message, payload in self._assembler.handle(result, encoded, self._clock()):
                if isinstance(message, EncodedEvent):
                    self.events.append(TimedEvent(self._now, decode_event(payload)))
