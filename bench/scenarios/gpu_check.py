"""`make gpu-check`: models and recordings in, what a device holds of them out; `--help` says more."""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any, Final, cast

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.table import Table

from bench.extras import require
from bench.load.gpu_load import GpuLoad, GpuPlayback, Take, take
from bench.measure.word_errors import errors
from bench.recordings.embedded import embedded
from bench.recordings.recording import read_pcm
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.errors import DalstonError
from engines.base import Chunk, Engine, Floats, Job, StreamingEngine, UtteranceEngine
from engines.catalog import EngineLimits, default, describe, load, parse
from engines.silero import SileroVad
from runtime.gpu import Gpu, gigabytes

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
STEPS: Final = 12  # of each batch; the median counts
UTTERANCE_SECONDS: Final = 4  # what an engine that is given whole utterances hears in the table of steps

app = typer.Typer(add_completion=False)
console = Console()
streams = count(1)


@app.command()
def main(
    audio: Annotated[
        Path | None,
        typer.Argument(help="Folder with recordings and a manifest.json: a list of {file, text}."),
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="As DALSTON_MODELS; unset: what this machine would run.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of speech in each session, for each number of them.")] = 40,
    budget_ms: Annotated[float, typer.Option(help="95 % of the results have to come within it.")] = 500,
    most: Annotated[int, typer.Option(help="Sessions at most.")] = 512,
    threads: Annotated[int, typer.Option(help="Of a forward pass on a CPU.")] = 1,
    chunk_ms: Annotated[int | None, typer.Option(help="Of a streaming engine; unset: its own.")] = None,
) -> None:
    """Plays recordings to each model, through 4 sessions and then more until they lag.

    Without a folder it plays the recordings that come with the embedded model. A model's sessions speak at
    the pace of speech on a virtual clock, which each forward pass moves by the time that it takes: minutes
    of hundreds of sessions are over as soon as the device is done. Lag is from the audio's coming, or from
    the endpoint, to the text.
    """
    try:
        require(("jiwer", "whisper_normalizer"))
        recordings = list(_recordings(audio))
        vad = SileroVad()
        takes = [take(text, pcm, vad) for text, pcm in recordings]
        sound = np.concatenate([np.frombuffer(pcm, "<i2") for _, pcm in recordings]) / np.float32(32768)
        room = EngineLimits(threads, most, chunk_ms)
        for spec in parse(models) if models else default():
            before = _memory()
            (engine,) = load([spec], room).values()
            console.rule(f"{spec.variant}: {spec.engine}:{spec.checkpoint}")
            (info,) = describe({spec.variant: engine})
            loaded = _memory() - before
            console.print(f"{info.name}, loaded with room for {most} sessions: {gigabytes(loaded)}")
            _check(engine, takes, sound.astype(np.float32), seconds, budget_ms, most)
    except (DalstonError, UsageError) as error:
        console.print(f"gpu-check: {error}", style="red")
        sys.exit(1)


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


def _check(
    engine: Engine, takes: Sequence[Take], sound: Floats, seconds: float, budget_ms: float, most: int
) -> None:
    _print_steps(engine, sound, [batch for batch in BATCHES if batch <= most])
    table = Table("sessions", "WER %", "step ms", "lag p50 ms", "lag p95 ms")
    held = 0
    loads = most_sessions(lambda n: GpuPlayback(engine, takes, n, seconds).run(), budget_ms / 1000, most)
    for found in loads:
        within = found.p95() < budget_ms / 1000
        held = max(held, found.sessions if within else 0)
        table.add_row(*_row(found), style="" if within else "dim")
    console.print(table)
    limit = " (--most)" if held == most else ""
    console.print(f"sessions at a p95 lag under {budget_ms:.0f} ms: [bold]{held}[/bold]{limit}\n")


def _row(found: GpuLoad) -> Iterator[str]:
    wrong, words = map(sum, zip(*(errors(true, heard) for true, heard in found.pairs), strict=True))
    yield str(found.sessions)
    yield f"{100 * wrong / words:.1f}" if words and not found.gave_up else "-"
    yield f"{1000 * found.step():.1f}"
    yield f"{1000 * median(found.lags):.0f}" if found.lags else "-"
    yield f"{1000 * found.p95():.0f}" if not found.gave_up else "over 10 s"


def _print_steps(engine: Engine, sound: Floats, batches: Sequence[int]) -> None:
    """The time of a step against how many sessions are in it, and the memory that they take."""
    table = Table("sessions in a step", "ms", "of one alone", "memory")
    first, used = 0.0, []
    for batch in batches:
        took = _step_seconds(engine, sound, batch)
        first = first or took
        used.append(_memory())
        table.add_row(str(batch), f"{1000 * took:.1f}", f"{took / first:.2f} x", gigabytes(used[-1]))
    console.print(table)
    each = (used[-1] - used[0]) / (batches[-1] - batches[0]) if len(batches) > 1 else 0
    each += getattr(engine, "stream_bytes", 0)
    console.print(f"memory of a session: {each / 2**20:.1f} MiB")


def _step_seconds(engine: Engine, sound: Floats, batch: int) -> float:
    """The median of some steps, each of a different place of the recordings."""
    if engine.info.features["streaming"]:
        return _streaming_step(cast(StreamingEngine, engine), sound, batch)
    whole = cast(UtteranceEngine, engine)
    length = UTTERANCE_SECONDS * SAMPLE_RATE
    jobs = [Job(_cut(sound, number * SAMPLE_RATE, length)) for number in range(batch)]
    return median(_timed(whole, jobs) for _ in range(STEPS // 4))


def _streaming_step(engine: StreamingEngine, sound: Floats, batch: int) -> float:
    size = engine.chunk_samples
    numbers = [next(streams) for _ in range(batch)]
    took = []
    for step in range(STEPS):
        jobs = [
            Chunk(number, _cut(sound, place * SAMPLE_RATE + step * size, size), first=step == 0, last=False)
            for place, number in enumerate(numbers)
        ]
        took.append(_timed(engine, jobs))
    for number in numbers:
        engine.drop(number)
    return median(took[1:])  # the first one also makes the streams


def _timed(engine: Any, jobs: Sequence[Any]) -> float:
    began = perf_counter()
    engine.transcribe(jobs)
    return perf_counter() - began


def _cut(sound: Floats, at: int, length: int) -> Floats:
    return np.take(sound, range(at, at + length), mode="wrap")


def _recordings(folder: Path | None) -> Iterator[tuple[str, bytes]]:
    """Texts and s16le audio at 16 kHz."""
    if folder is None:
        for recording in embedded():
            if recording.text and "-" not in recording.name:  # the others are parts of these
                yield recording.text, recording.pcm
        return
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise UsageError(f"{manifest} is not there: a list of {{file, text}} is wanted")
    for entry in orjson.loads(manifest.read_bytes()):
        if entry.get("text"):
            yield entry["text"], read_pcm(folder / entry["file"])


def _memory() -> int:
    """Bytes in use on the GPU, or of this process without one."""
    memory = Gpu().memory()
    if memory is not None:
        return memory.used
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    app()
