"""Computes what the VAD stage sends to the ASR stage for a recording, with the time of each message."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from engines.silero import SileroVad
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules
from stages.messages import Audio, Close, Message, Open, Route
from stages.vad.stage import VadStage

ROUTE: Final[Route] = (0, 0, 0, 0)  # The number of the process in each stage; there is one of each.
SECOND: Final = 1_000_000_000  # Nanoseconds, the unit of the stages' clock.
MIN_SILENCE_MS: Final = 300  # Milliseconds of silence that end an utterance: the server's default.

TimedMessage: TypeAlias = tuple[int, Message, bytes]
"""The time in ns since the start, the message, and its audio."""


@dataclass(frozen=True, slots=True)
class VadTrace:
    """A recording as the ASR stage receives it; `length` is in ns."""

    text: str
    messages: tuple[TimedMessage, ...]
    length: int


def trace_vad(text: str, pcm: bytes, vad: SileroVad) -> VadTrace:
    """Run the VAD stage on a recording, s16le at 16 kHz, in which `text` is said."""
    now = 0
    stage = VadStage(vad, EndpointRules(), lambda: now)
    messages: list[TimedMessage] = []

    def record(packets: Iterable[Packet]) -> None:
        messages.extend((now, message, payload) for message, payload in packets)
        while stage.busy:
            messages.extend((now, message, payload) for message, payload in stage.work(now))

    record(
        stage.handle(Open("", ROUTE, "", "", "auto", True, True, False, MIN_SILENCE_MS, (), False), b"", now)
    )
    for at in range(0, len(pcm), CHUNK_BYTES):
        chunk = pcm[at : at + CHUNK_BYTES]
        now = (at + len(chunk)) // BYTES_PER_SAMPLE * SECOND // SAMPLE_RATE
        record(stage.handle(Audio("", ROUTE, at // BYTES_PER_SAMPLE, ()), chunk, now))
    record(stage.handle(Close("", ROUTE, "end", len(pcm) // BYTES_PER_SAMPLE, ()), b"", now))
    return VadTrace(text, tuple(messages), now)
