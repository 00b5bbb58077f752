"""Recordings and waits for silence in; how long finals took, and how many sentences they cut, out.

The stages run in one process on a clock of their own, on which a pass of the engine takes always the same:
nothing here depends on how busy the machine is. Audio comes in chunks of 100 ms, as in a session.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import mean
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.playback import TAIL_S, chunks
from bench.load.recordings import Recording
from bench.measure.figures import percentile
from bench.measure.score import CHUNK_S
from bench.measure.sentences import cut_sentences
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.servers.engines import engine_for
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import decode_event
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig, parse_query
from engines.base import Engine
from engines.silero import SileroVad
from runtime.worker_link import VERSION, OpenSession
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import Audio, Close, EncodedEvent, Hypothesis, Message, TextEnd
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
        config = SessionConfig(min_silence_ms=silence, interim_results=False)
        asked = OpenSession(version=VERSION, session_id=SESSION, link_id="", config=config)
        self._give(opening(asked, ROUTE))
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
        for message, payload in _through(self._assembler, said, b"", self._clock()):
            if isinstance(message, EncodedEvent) and message.kind == "transcript.final":
                event = decode_event(payload)
                assert isinstance(said, Hypothesis)
                assert isinstance(event, FinalEvent)
                self._finals.append(event.text)
                self._delays.append(at - said.end / SAMPLE_RATE)


def _through(stage: Stage, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
    yield from stage.handle(message, payload, now)
    while stage.busy:
        yield from stage.work(now)


@dataclass(frozen=True, slots=True)
class EndpointingRow:
    """What one way of waiting came to, over all recordings."""

    silence: MinSilence
    finals: int
    cut: int
    delays: tuple[float, ...]  # of all finals, s
    last: tuple[float, ...]  # of the last final of each recording, s


def replay(
    recordings: Sequence[Recording], silence: MinSilence, vad: Vad, engine: Engine, decode_s: float
) -> EndpointingRow:
    """One way of waiting."""
    heard = [Replay(vad, engine, decode_s).hear(recording.pcm, silence) for recording in recordings]
    cut = sum(cut_sentences(r, h.finals) or 0 for r, h in zip(recordings, heard, strict=True))
    delays = tuple(delay for each in heard for delay in each.delays)
    last = tuple(each.delays[-1] for each in heard if each.delays)
    return EndpointingRow(silence, len(delays), cut, delays, last)


def measure(request: BenchRequest, silences: Sequence[MinSilence], decode_s: float) -> int:
    """Print how each way of waiting does; the exit code.

    Raises:
        DalstonError: a silence is out of range, or there is no such engine or no recording.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    for silence in silences:
        parse_query({"min_silence_ms": str(silence)})
    engine = engine_for(request.chosen.get("models"), request.model)
    if engine is None:
        raise UsageError(f"there is no model {request.model!r}; --set models=... names others")
    vad, recordings = SileroVad(), request.load().recordings
    console, rows = Console(stderr=True), list[EndpointingRow]()
    settings = {**request.settings(), "silences": silences, "decode_s": decode_s}
    document = Document("endpointing", settings, rows, conditions())
    try:
        for silence in silences:
            with console.status(f"{silence} ms" if silence != "auto" else silence):
                rows.append(replay(recordings, silence, vad, engine, decode_s))
            document.save(request.out)
    finally:  # whatever ended it: what was measured is shown
        if rows:
            Console().print(table(rows, sum(recording.seconds for recording in recordings) / 60))
    print(f"The whole result is in {request.out}.")
    return ExitCode.OK


def table(rows: Iterable[EndpointingRow], minutes: float) -> Table:
    """A line for each way of waiting."""
    caption = "Times from the end of speech to its final; last: of the last final of each recording alone."
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    for name in ("Silence, ms", "Finals", "Cut", "Per min", "p50, s", "p95, s", "Mean, s", "Last p50, s"):
        found.add_column(name, justify="right")
    for row in rows:
        all_finals = (percentile(row.delays, 50), percentile(row.delays, 95), mean(row.delays or (nan,)))
        times = (*all_finals, percentile(row.last, 50))
        shown = ("–" if each is None else f"{each:.3f}" for each in times)
        found.add_row(str(row.silence), str(row.finals), str(row.cut), f"{row.cut / minutes:.1f}", *shown)
    return found
