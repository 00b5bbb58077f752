"""Measures how many sessions of each model a GPU or CPU holds: the command behind `make gpu-check`."""

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

from bench.extras import check_libraries
from bench.load.engine_playback import EngineLoad, EnginePlayback
from bench.load.vad_trace import VadTrace, trace_vad
from bench.measure.word_errors import word_errors
from bench.recordings.embedded import embedded_recordings
from bench.recordings.recording import read_pcm
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.errors import DalstonError
from engines.base import Chunk, Engine, Floats, Job, StreamingEngine, UtteranceEngine
from engines.catalog import EngineLimits, default, describe, load, parse
from engines.silero import SileroVad
from runtime.gpu import Gpu, gigabytes

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # Sessions in a forward pass of the table of steps.
STEPS: Final = 12  # Forward passes of each batch, of which the median counts.
UTTERANCE_SECONDS: Final = 4  # Seconds in a job of an engine for whole utterances, as people speak.

app = typer.Typer(add_completion=False)
console = Console()
stream_numbers = count(1)


@app.command()
def main(
    audio: Annotated[
        Path | None,
        typer.Argument(help="Folder with recordings and a manifest.json: a list of {file, text}."),
    ] = None,
    models: Annotated[
        str | None, typer.Option(help="As DALSTON_MODELS; unset: what this machine would run.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Seconds of speech in each session.")] = 40,
    budget_ms: Annotated[
        float, typer.Option(help="Milliseconds within which 95 % of the results must come.")
    ] = 500,
    most: Annotated[int, typer.Option(help="Sessions at most.")] = 512,
    threads: Annotated[int, typer.Option(help="Threads of a forward pass on a CPU.")] = 1,
    chunk_ms: Annotated[
        int | None, typer.Option(help="Milliseconds in a step of a streaming engine; unset: its own.")
    ] = None,
) -> None:
    """Play recordings to each model in 4 sessions, and then in more until they lag.

    Without a folder it plays the recordings that come with the embedded model. Sessions speak at the pace of
    speech on a simulated clock, which each forward pass moves by the time that it takes: minutes of hundreds
    of sessions take no longer than their forward passes. The lag of a text is from the arrival of its audio,
    or from the endpoint.
    """
    try:
        check_libraries(("jiwer", "whisper_normalizer"))
        recordings = list(_recordings(audio))
        vad = SileroVad()
        traces = [trace_vad(text, pcm, vad) for text, pcm in recordings]
        sound = np.concatenate([np.frombuffer(pcm, "<i2") for _, pcm in recordings]) / np.float32(32768)
        limits = EngineLimits(threads, most, chunk_ms)
        for spec in parse(models) if models else default():
            before = _memory()
            (engine,) = load([spec], limits).values()
            console.rule(f"{spec.variant}: {spec.engine}:{spec.checkpoint}")
            (info,) = describe({spec.variant: engine})
            loaded = _memory() - before
            console.print(f"{info.name}, loaded with room for {most} sessions: {gigabytes(loaded)}")
            _check_engine(engine, traces, sound.astype(np.float32), seconds, budget_ms, most)
    except (DalstonError, UsageError) as error:
        console.print(f"gpu-check: {error}", style="red")
        sys.exit(1)


def most_sessions(play: Callable[[int], EngineLoad], budget: float, most: int) -> Iterator[EngineLoad]:
    """Measure 4 sessions and more until p95 of the lag exceeds the budget (seconds), then numbers between.

    The largest number within the budget is what the device holds, to an eighth.
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


def _check_engine(
    engine: Engine, traces: Sequence[VadTrace], sound: Floats, seconds: float, budget_ms: float, most: int
) -> None:
    _print_steps(engine, sound, [batch for batch in BATCHES if batch <= most])
    table = Table("sessions", "WER %", "step ms", "lag p50 ms", "lag p95 ms")
    held = 0
    loads = most_sessions(lambda n: EnginePlayback(engine, traces, n, seconds).run(), budget_ms / 1000, most)
    for found in loads:
        within = found.p95() < budget_ms / 1000
        held = max(held, found.sessions if within else 0)
        table.add_row(*_row(found), style="" if within else "dim")
    console.print(table)
    limit = " (--most)" if held == most else ""
    console.print(f"sessions at a p95 lag under {budget_ms:.0f} ms: [bold]{held}[/bold]{limit}\n")


def _row(found: EngineLoad) -> Iterator[str]:
    wrong, words = map(
        sum, zip(*(word_errors(reference, text) for reference, text in found.pairs), strict=True)
    )
    yield str(found.sessions)
    yield f"{100 * wrong / words:.1f}" if words and not found.gave_up else "-"
    yield f"{1000 * found.step():.1f}"
    yield f"{1000 * median(found.lags):.0f}" if found.lags else "-"
    yield f"{1000 * found.p95():.0f}" if not found.gave_up else "over 10 s"


def _print_steps(engine: Engine, sound: Floats, batches: Sequence[int]) -> None:
    """Print the time of a step for each number of sessions in it, and the memory that they use."""
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
    """The median time of a step, each with another part of the recordings."""
    if engine.info.features["streaming"]:
        return _streaming_step(cast(StreamingEngine, engine), sound, batch)
    utterance_engine = cast(UtteranceEngine, engine)
    length = UTTERANCE_SECONDS * SAMPLE_RATE
    jobs = [Job(_cut(sound, number * SAMPLE_RATE, length)) for number in range(batch)]
    return median(_timed(utterance_engine, jobs) for _ in range(STEPS // 4))


def _streaming_step(engine: StreamingEngine, sound: Floats, batch: int) -> float:
    size = engine.chunk_samples
    numbers = [next(stream_numbers) for _ in range(batch)]
    took = []
    for step in range(STEPS):
        jobs = [
            Chunk(number, _cut(sound, place * SAMPLE_RATE + step * size, size), first=step == 0, last=False)
            for place, number in enumerate(numbers)
        ]
        took.append(_timed(engine, jobs))
    for number in numbers:
        engine.drop(number)
    return median(took[1:])  # The first one also creates the streams.


def _timed(engine: Any, jobs: Sequence[Any]) -> float:
    began = perf_counter()
    engine.transcribe(jobs)
    return perf_counter() - began


def _cut(sound: Floats, at: int, length: int) -> Floats:
    return np.take(sound, range(at, at + length), mode="wrap")


def _recordings(folder: Path | None) -> Iterator[tuple[str, bytes]]:
    """Yield reference texts with their audio, s16le at 16 kHz."""
    if folder is None:
        for recording in embedded_recordings():
            if recording.text and "-" not in recording.name:  # The others are parts of these.
                yield recording.text, recording.pcm
        return
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise UsageError(f"{manifest} is not there: a list of {{file, text}} is needed")
    for entry in orjson.loads(manifest.read_bytes()):
        if entry.get("text"):
            yield entry["text"], read_pcm(folder / entry["file"])


def _memory() -> int:
    """Bytes in use on the GPU; without a GPU, bytes of this process."""
    memory = Gpu().memory()
    if memory is not None:
        return memory.used
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


if __name__ == "__main__":
    app()
