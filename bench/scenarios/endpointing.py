"""Compares silences that end an utterance: how soon finals come, and how many sentences they cut.

The stages run in this process on a simulated clock, on which a pass of the engine always takes the same time,
so the result does not depend on how busy the machine is. Audio comes in chunks of 100 ms, as in a session.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import mean
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.stage_replay import StageReplay
from bench.measure.cut_sentences import cut_sentences
from bench.measure.figures import percentile
from bench.recordings.recording import Recording
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.servers.engines import engine_for
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.parameters import MinSilence, parse_query
from engines.base import Engine
from engines.silero import SileroVad
from stages.vad.speech_guard import Vad

CAPTION: Final = "Times from the end of speech to its final; last: of the last final of each recording alone."


@dataclass(frozen=True, slots=True)
class EndpointingRow:
    """The result of one setting over all recordings.

    `cut` counts the finals that end inside a sentence. `delays` are those of all finals, `last` those of the
    last final of each recording, both in seconds.
    """

    silence: MinSilence
    finals: int
    cut: int
    delays: tuple[float, ...]
    last: tuple[float, ...]


def measure_silence(
    recordings: Sequence[Recording], silence: MinSilence, vad: Vad, engine: Engine, decode_s: float
) -> EndpointingRow:
    """Play all recordings with one setting; a pass of the engine takes `decode_s` seconds."""
    transcripts = [StageReplay(vad, engine, decode_s).transcribe(each.pcm, silence) for each in recordings]
    cut = sum(cut_sentences(r, t.finals) or 0 for r, t in zip(recordings, transcripts, strict=True))
    delays = tuple(delay for each in transcripts for delay in each.delays)
    last = tuple(each.delays[-1] for each in transcripts if each.delays)
    return EndpointingRow(silence, len(delays), cut, delays, last)


def measure(request: BenchRequest, silences: Sequence[MinSilence], decode_s: float) -> int:
    """Measure each setting and print the table; returns the exit code.

    Raises:
        DalstonError: a silence is out of range, or there is no such engine or no recording.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    for silence in silences:
        parse_query({"min_silence_ms": str(silence)})
    engine = engine_for(request.server_settings.get("models"), request.model)
    if engine is None:
        raise UsageError(f"there is no model {request.model!r}; --set models=... names others")
    vad, recordings = SileroVad(), request.load_plan().recordings
    console, rows = Console(stderr=True), list[EndpointingRow]()
    settings = {**request.to_settings(), "silences": silences, "decode_s": decode_s}
    result_file = ResultFile("endpointing", settings, rows, conditions())
    try:
        for silence in silences:
            with console.status(f"{silence} ms" if silence != "auto" else silence):
                rows.append(measure_silence(recordings, silence, vad, engine, decode_s))
            result_file.save(request.out)
    finally:  # Also after Ctrl-C or an error, what was measured is shown.
        if rows:
            Console().print(table(rows, sum(recording.seconds for recording in recordings) / 60))
    print(f"The whole result is in {request.out}.")
    return ExitCode.OK


def table(rows: Iterable[EndpointingRow], minutes: float) -> Table:
    """A table with a row for each setting; the recordings are so many `minutes` long."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION, caption_justify="left")
    for name in ("Silence, ms", "Finals", "Cut", "Per min", "p50, s", "p95, s", "Mean, s", "Last p50, s"):
        found.add_column(name, justify="right")
    for row in rows:
        all_finals = (percentile(row.delays, 50), percentile(row.delays, 95), mean(row.delays or (nan,)))
        times = (*all_finals, percentile(row.last, 50))
        cells = ("–" if each is None else f"{each:.3f}" for each in times)
        found.add_row(str(row.silence), str(row.finals), str(row.cut), f"{row.cut / minutes:.1f}", *cells)
    return found
