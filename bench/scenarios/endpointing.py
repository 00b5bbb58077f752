"""Recordings and waits for silence in; how long finals took, and how many sentences they cut, out.

The stages run in one process on a clock of their own, on which a pass of the engine takes always the same:
nothing here depends on how busy the machine is. Audio comes in chunks of 100 ms, as in a session.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from statistics import mean

from rich import box
from rich.console import Console
from rich.table import Table

from bench.load.replay import Replay
from bench.measure.cut_sentences import cut_sentences
from bench.measure.figures import percentile
from bench.recordings.recording import Recording
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.servers.engines import engine_for
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.parameters import MinSilence, parse_query
from engines.base import Engine
from engines.silero import SileroVad
from stages.vad.stage import Vad


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
