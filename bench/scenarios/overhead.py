"""Measures what the server's own processes use and add, with an engine that answers at once.

The number of sessions grows until the server does not keep up. The added latency is from when the chunk with
the last audio of a partial left the client to when the partial arrived.
"""

import asyncio
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.load.load_client import LoadClient, LoadTarget
from bench.measure.figures import percentile, ratio
from bench.measure.process_usage import ProcessMeter, ProcessUsage
from bench.recordings.embedded import embedded_recordings
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError

RECORDING: Final = "two_cities"  # The longest of the embedded recordings, so sessions play different parts.
BATCH: Final = "64"  # Sessions in a pass of the engine; it costs nothing, so all that wait are taken.
BROKEN_MS: Final = 1_000.0  # Milliseconds of added latency (p99) from which the server does not keep up.
BROKEN_SHARE: Final = 0.01  # Share of the sessions that may fail; of hundreds, one may by chance.
MAX_ERRORS: Final = 5  # Different error messages that are kept; more repeat the same.
CAPTION: Final = (
    "Frames a second, all and for each core of the server; added latency in ms.\n"
    "Client: its cores, and by how many ms (p99) its chunks left late."
)


@dataclass(frozen=True, slots=True)
class OverheadStep:
    """The figures of one number of sessions; latencies in ms.

    `frames_per_core` are the audio messages received in a second of server CPU time. `client_late_p99` is by
    how much chunks left too late; it is not part of the added latency. `microseconds` is the CPU time of the
    server for each frame, by process.
    """

    sessions: int
    failed: int
    interrupted: bool
    frames_per_second: float
    frames_per_core: float | None
    added_p50: float | None
    added_p99: float | None
    cores: float | None
    memory_mb: float | None
    client_cores: float
    client_late_p99: float | None
    errors: tuple[str, ...] = ()
    microseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def broken(self) -> bool:
        """Whether the server does not keep up."""
        slow = self.added_p99 is None or self.added_p99 > BROKEN_MS
        return slow or self.failed > BROKEN_SHARE * self.sessions


def measure_step(
    target: LoadTarget, pid: int | None, pcm: bytes, sessions: int, seconds: float
) -> OverheadStep:
    """Measure one number of sessions; Ctrl-C ends it early and keeps what came until then."""
    client, meter, interrupted = LoadClient(target, pcm, seconds), ProcessMeter(pid), False
    baseline, began = meter.baseline(), time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_play_and_sample(client, meter, sessions))
    except KeyboardInterrupt:
        interrupted = True
    return step_figures(
        client, sessions, baseline.usage_over(time.monotonic() - began), interrupted=interrupted
    )


async def _play_and_sample(client: LoadClient, meter: ProcessMeter, sessions: int) -> None:
    sampling = asyncio.create_task(meter.run())
    try:
        await client.play(sessions)
    finally:
        sampling.cancel()


def step_figures(
    client: LoadClient, sessions: int, usage: ProcessUsage, *, interrupted: bool
) -> OverheadStep:
    """Compute the figures of one number of sessions."""
    added, late = ([1000 * value for value in values] for values in (client.added, client.late))
    return OverheadStep(
        sessions=sessions,
        failed=len(client.errors),
        interrupted=interrupted,
        frames_per_second=round(client.sent / max(usage.seconds, 1e-9), 1),
        frames_per_core=ratio(client.sent, usage.server_cpu or 0.0),
        added_p50=percentile(added, 50, 2),
        added_p99=percentile(added, 99, 2),
        cores=ratio(usage.server_cpu, usage.seconds),
        memory_mb=ratio(usage.memory, 1e6),
        client_cores=round(usage.client_cpu / max(usage.seconds, 1e-9), 3),
        client_late_p99=percentile(late, 99, 2),
        errors=tuple(sorted(set(client.errors))[:MAX_ERRORS]),
        microseconds=microseconds_per_frame(usage.by_process, client.sent),
    )


def microseconds_per_frame(spent: Mapping[str, float], frames: int) -> dict[str, float]:
    """CPU time of each process for a frame in µs, the largest first; below 1 µs is left out."""
    each = {name: round(1e6 * seconds / max(frames, 1), 1) for name, seconds in spent.items()}
    return {name: us for name, us in sorted(each.items(), key=lambda item: -item[1]) if us >= 1}


def measure(
    request: BenchRequest,
    sessions: Sequence[int],
    report: Path | None = None,
    collaborators: Collaborators = REAL,
    *,
    direct: bool = False,
) -> int:
    """Measure numbers of sessions until the server does not keep up; returns the exit code.

    `direct` connects to the worker, past the gateway: only the five stages are measured.

    Raises:
        DalstonError: the server does not start.
    """
    if request.url is not None:
        raise UsageError(
            "the overhead is measured on a server of its own, with the engine that answers at once"
        )
    console, steps, settings = Console(stderr=True), list[OverheadStep](), request.to_settings()
    settings |= {"sessions": list(sessions), "direct": direct}
    pcm = next(recording.pcm for recording in embedded_recordings() if recording.name == RECORDING)
    secret = secrets.token_hex()
    chosen = {
        "models": "fast=instant:any",
        "max_batch": BATCH,
        "internal_secret": secret,
        **request.server_settings,
    }
    result_file = ResultFile("overhead", settings, steps, conditions())
    with collaborators.start_server(max(sessions), chosen) as server:
        settings["server"] = dict(server.settings)
        target = LoadTarget(server.worker_url, secret) if direct else LoadTarget(server.url)
        measure_step(target, None, pcm, 1, 1.0)  # Does not count: what happens only once.
        for count in sessions:
            with console.status(counted(count, "session")):
                steps.append(measure_step(target, server.pid, pcm, count, request.seconds))
            result_file.save(request.out)
            if steps[-1].broken or steps[-1].interrupted:
                break
    Console().print(table(steps))
    Console().print(process_table(steps[-1]))
    print(verdict(steps))
    announce_result(request.out, report)
    return ExitCode.INTERRUPTED if steps[-1].interrupted else ExitCode.OK


def verdict(steps: Sequence[OverheadStep]) -> str:
    """The number of sessions at which the server does not keep up, in a sentence."""
    last = steps[-1]
    sessions = counted(last.sessions, "session")
    if last.interrupted:
        return f"Cut short at {sessions}."
    if not last.broken:
        return f"It holds {sessions}; more were not tried."
    why = f"; {last.errors[0]}" if last.errors else ""
    return f"It breaks at {sessions}{why}."


def table(steps: Sequence[OverheadStep]) -> Table:
    """A table with a row for each number of sessions."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION, caption_justify="left")
    columns = {
        "N": "sessions",
        "Failed": "failed",
        "Frames": "frames_per_second",
        "Per core": "frames_per_core",
        "Added": "added_p50",
        "p99": "added_p99",
        "Cores": "cores",
        "MB": "memory_mb",
        "Client": "client_cores",
        "Late": "client_late_p99",
    }
    for name in columns:
        found.add_column(name, justify="right")
    for each in steps:
        values = asdict(each)
        style = "red" if each.broken else ""
        found.add_row(*(Text(_format(name, values[name]), style=style) for name in columns.values()))
    return found


def process_table(last: OverheadStep) -> Table:
    """A table of the CPU time of a frame, with a row for each process."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("Process")
    found.add_column(f"CPU time of a frame at N = {last.sessions}, µs", justify="right")
    for name, us in last.microseconds.items():
        found.add_row(name, f"{us:.0f}")
    return found


def _format(name: str, value: Any) -> str:
    if value is None:
        return "–"
    rounded = value >= 100 or isinstance(value, int) or name in ("frames_per_second", "frames_per_core")
    return f"{value:,.0f}" if rounded else f"{value:.2f}" if "cores" in name else f"{value:.1f}"
