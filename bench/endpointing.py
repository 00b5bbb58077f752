"""Recordings and waits for silence in; how long finals took, and how many sentences they cut, out.

    python -m bench.endpointing [--audio DIR] [--decode-ms 120] [300 400 auto ...]

The stages run in one process on a clock of their own, on which a pass of the engine takes always the same:
nothing here depends on how busy the machine is. Audio comes in chunks of 100 ms, as in a session.
"""

import argparse
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import percentile
from bench.play import TAIL_S, chunks
from bench.recordings import Recording, embedded, own
from bench.score import CHUNK_S
from bench.sentences import cut_sentences
from client.commands.options import min_silence
from stages.asr import AsrStage
from stages.assembler import AssemblerStage
from stages.channels import Packet
from stages.endpointer import EndpointRules, samples
from stages.engines.base import Engine
from stages.engines.moonshine import Moonshine
from stages.messages import (
    BYTES_PER_SAMPLE,
    SAMPLE_RATE,
    Audio,
    Close,
    Event,
    Hypothesis,
    Message,
    MinSilence,
    TextEnd,
)
from stages.opening import opening
from stages.parameters import SessionConfig
from stages.runner import Stage
from stages.silero import SileroVad
from stages.vad import Vad, VadStage

SESSION: Final = "replay"
ROUTE: Final = (0, 0, 0, 0)
DECODE_MS: Final = 120.0  # of a pass on a busy machine; on an idle core 32 over 4 s, 58 over 8 s (measured)


@dataclass(frozen=True, slots=True)
class Heard:
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

    def hear(self, pcm: bytes, silence: MinSilence) -> Heard:
        """What becomes of a recording."""
        self._give(opening(SESSION, ROUTE, SessionConfig(min_silence_ms=silence, interim_results=False)))
        at = 0
        for number, chunk in enumerate(chunks(pcm, TAIL_S), 1):
            self._until(number * CHUNK_S)
            self._give(Audio(SESSION, ROUTE, at, (self._clock(), self._clock())), chunk)
            at += len(chunk) // BYTES_PER_SAMPLE
        self._give(Close(SESSION, ROUTE, "end", at, (self._clock(), self._clock())))
        return Heard(tuple(self._finals), tuple(self._delays))

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


@dataclass(frozen=True, slots=True)
class Row:
    """What one way of waiting came to, over all recordings."""

    silence: MinSilence
    finals: int
    cut: int
    delays: tuple[float, ...]  # of all finals, s
    last: tuple[float, ...]  # of the last final of each recording, s


def measure(
    recordings: Sequence[Recording], silence: MinSilence, vad: Vad, engine: Engine, decode_s: float
) -> Row:
    """One way of waiting."""
    heard = [Replay(vad, engine, decode_s).hear(recording.pcm, silence) for recording in recordings]
    cut = sum(cut_sentences(r, h.finals) or 0 for r, h in zip(recordings, heard, strict=True))
    delays = tuple(delay for each in heard for delay in each.delays)
    last = tuple(each.delays[-1] for each in heard if each.delays)
    return Row(silence, len(delays), cut, delays, last)


def table(rows: Iterable[Row], minutes: float) -> Table:
    """A line for each way of waiting."""
    found = Table(
        "Silence, ms", "Finals", "Sentences cut", "per min", "All finals p50, s", "p95", "Last p50, s"
    )
    for row in rows:
        times = (percentile(row.delays, 50), percentile(row.delays, 95), percentile(row.last, 50))
        shown = ("–" if each is None else f"{each:.3f}" for each in times)
        found.add_row(str(row.silence), str(row.finals), str(row.cut), f"{row.cut / minutes:.2f}", *shown)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("silences", nargs="*", type=min_silence, default=[300, 400, 500, 600, "auto"])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--decode-ms", type=float, default=DECODE_MS)
    asked = parser.parse_args()
    recordings = embedded() if asked.audio is None else own(asked.audio)
    vad, engine = SileroVad(), Moonshine()
    rows = [measure(recordings, each, vad, engine, asked.decode_ms / 1000) for each in asked.silences]
    Console().print(table(rows, sum(recording.seconds for recording in recordings) / 60))


if __name__ == "__main__":
    main()
