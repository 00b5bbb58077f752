"""What our own processes cost: an engine that answers at once, and more and more sessions until it breaks.

The added latency is from when the chunk left the client that brought the last audio of a partial, to when
the partial arrived.
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

from bench.load.load_client import Entrance, LoadClient
from bench.load.recordings import embedded
from bench.measure.figures import percentile, ratio
from bench.measure.process_usage import Cost, Meter
from bench.report.report import tell
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.servers.server import own_server
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError

RECORDING: Final = "two_cities"
BATCH: Final = "64"  # the engine costs nothing: whatever waits is taken
BROKEN_S: Final = 1.0  # added latency from which the server does not keep up
BROKEN_SHARE: Final = 0.01  # of the sessions that may fail before it counts as broken
CAPTION: Final = (
    "Frames a second, all and for each core of the server; added latency in ms.\n"
    "Client: its cores, and by how many ms (p99) its chunks left late."
)


@dataclass(frozen=True, slots=True)
class OverheadStep:
    """One number of sessions; latencies in ms. `frames_per_core` is messages in per second of server CPU."""

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
    client_late_p99: float | None  # ms: what of it is the client's own fault is left out of the latency
    errors: tuple[str, ...] = ()
    microseconds: Mapping[str, float] = field(default_factory=dict)  # server CPU by process, for each frame

    @property
    def broken(self) -> bool:
        """Whether the server does not keep up any more."""
        slow = self.added_p99 is None or self.added_p99 > BROKEN_S * 1000
        return slow or self.failed > BROKEN_SHARE * self.sessions


def play(door: Entrance, pid: int | None, pcm: bytes, sessions: int, seconds: float) -> OverheadStep:
    """One number of sessions; Ctrl-C ends it early and keeps what came until then."""
    crowd, meter, interrupted = LoadClient(door, pcm, seconds), Meter(pid), False
    mark, began = meter.mark(), time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_watched(crowd, meter, sessions))
    except KeyboardInterrupt:
        interrupted = True
    return step(crowd, sessions, mark.cost(time.monotonic() - began), interrupted=interrupted)


async def _watched(crowd: LoadClient, meter: Meter, sessions: int) -> None:
    watching = asyncio.create_task(meter.watch())
    try:
        await crowd.play(sessions)
    finally:
        watching.cancel()


def step(crowd: LoadClient, sessions: int, cost: Cost, *, interrupted: bool) -> OverheadStep:
    """The figures of one number of sessions."""
    added, late = ([1000 * value for value in values] for values in (crowd.added, crowd.late))
    return OverheadStep(
        sessions=sessions,
        failed=len(crowd.errors),
        interrupted=interrupted,
        frames_per_second=round(crowd.sent / max(cost.seconds, 1e-9), 1),
        frames_per_core=ratio(crowd.sent, cost.server_cpu or 0.0),
        added_p50=percentile(added, 50, 2),
        added_p99=percentile(added, 99, 2),
        cores=ratio(cost.server_cpu, cost.seconds),
        memory_mb=ratio(cost.memory, 1e6),
        client_cores=round(cost.client_cpu / max(cost.seconds, 1e-9), 3),
        client_late_p99=percentile(late, 99, 2),
        errors=tuple(sorted(set(crowd.errors))[:5]),
        microseconds=by_frame(cost.by_process, crowd.sent),
    )


def by_frame(spent: Mapping[str, float], frames: int) -> dict[str, float]:
    """Microseconds for each frame by process, the most first; what is next to nothing is left out."""
    each = {name: round(1e6 * seconds / max(frames, 1), 1) for name, seconds in spent.items()}
    return {name: us for name, us in sorted(each.items(), key=lambda item: -item[1]) if us >= 1}


def measure(
    request: BenchRequest, sessions: Sequence[int], report: Path | None = None, *, direct: bool = False
) -> int:
    """Play each number of sessions until one breaks the server, and print what it costs; the exit code.

    `direct` connects to the worker, past the gateway: what is measured is the five stages.

    Raises:
        DalstonError: the server can't be had.
    """
    if request.url is not None:
        raise UsageError(
            "the overhead is measured on a server of its own, with the engine that answers at once"
        )
    console, steps, settings = Console(stderr=True), list[OverheadStep](), request.settings()
    settings |= {"sessions": list(sessions), "direct": direct}
    pcm = next(recording.pcm for recording in embedded() if recording.name == RECORDING)
    secret = secrets.token_hex()
    chosen = {"models": "fast=instant:any", "max_batch": BATCH, "internal_secret": secret, **request.chosen}
    document = Document("overhead", settings, steps, conditions())
    with own_server(max(sessions), chosen) as running:
        settings["server"] = dict(running.settings)
        door = Entrance(running.worker_url, secret) if direct else Entrance(running.url)
        play(door, None, pcm, 1, 1.0)  # does not count: what happens only once
        for count in sessions:
            with console.status(counted(count, "session")):
                steps.append(play(door, running.pid, pcm, count, request.seconds))
            document.save(request.out)
            if steps[-1].broken or steps[-1].interrupted:
                break
    Console().print(table(steps))
    Console().print(shares(steps[-1]))
    print(verdict(steps))
    tell(request.out, report)
    return ExitCode.INTERRUPTED if steps[-1].interrupted else ExitCode.OK


def verdict(steps: Sequence[OverheadStep]) -> str:
    """Where it breaks, in a sentence."""
    last = steps[-1]
    sessions = counted(last.sessions, "session")
    if last.interrupted:
        return f"Cut short at {sessions}."
    if not last.broken:
        return f"It holds {sessions}; more were not tried."
    why = f"; {last.errors[0]}" if last.errors else ""
    return f"It breaks at {sessions}{why}."


def table(steps: Sequence[OverheadStep]) -> Table:
    """A row for each number of sessions."""
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
        found.add_row(*(Text(_text(name, values[name]), style=style) for name in columns.values()))
    return found


def shares(last: OverheadStep) -> Table:
    """Where the CPU time goes: a row for each process."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("Process")
    found.add_column(f"CPU time of a frame at N = {last.sessions}, µs", justify="right")
    for name, us in last.microseconds.items():
        found.add_row(name, f"{us:.0f}")
    return found


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    whole = value >= 100 or isinstance(value, int) or name in ("frames_per_second", "frames_per_core")
    return f"{value:,.0f}" if whole else f"{value:.2f}" if "cores" in name else f"{value:.1f}"
