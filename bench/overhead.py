"""What our own processes cost: an engine that answers at once, and more and more sessions until it breaks.

The added latency is from when the chunk left the client that brought the last audio of a partial, to when
the partial arrived.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.cost import Cost, Meter
from bench.document import Document, conditions
from bench.figures import percentile, ratio
from bench.recordings import embedded
from bench.request import Request
from bench.score import CHUNK_S
from bench.server import own_server
from client.audio import CHUNK_BYTES
from client.commands.exits import ExitCode
from client.errors import ClientError, UsageError
from client.events import Partial
from client.session import Session, transcribe_stream

RECORDING: Final = "two_cities"
BATCH: Final = "64"  # the engine costs nothing: whatever waits is taken
OPENING: Final = 0.005  # s between the starts of two sessions: the chunks spread, and the gateway keeps up
BROKEN_S: Final = 1.0  # added latency from which the server does not keep up
BROKEN_SHARE: Final = 0.01  # of the sessions that may fail before it counts as broken
CAPTION: Final = "Added latency in ms. Client: its cores, and by how many ms (p99) its chunks left late."


@dataclass(frozen=True, slots=True)
class Step:
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

    @property
    def broken(self) -> bool:
        """Whether the server does not keep up any more."""
        slow = self.added_p99 is None or self.added_p99 > BROKEN_S * 1000
        return slow or self.failed > BROKEN_SHARE * self.sessions


@dataclass(slots=True)
class Crowd:
    """Sessions that all play the same audio, each from another place in it, for `seconds`."""

    url: str
    pcm: bytes
    seconds: float
    added: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    sent: int = 0
    errors: list[str] = field(default_factory=list)

    async def play(self, sessions: int) -> None:
        """All of them, side by side."""
        async with asyncio.TaskGroup() as group:
            for number in range(sessions):
                group.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        await asyncio.sleep(number * OPENING)
        try:
            async with (
                asyncio.timeout(self.seconds + 30.0),
                transcribe_stream(self.url, timing=False) as stream,
                asyncio.TaskGroup() as group,
            ):
                left: list[float] = []
                group.create_task(self._hear(stream, left))
                await self._send(stream, number, left)
        except* (ClientError, TimeoutError) as failure:
            self.errors.append(str(failure.exceptions[0]) or "no end in time")

    async def _send(self, stream: Session, number: int, left: list[float]) -> None:
        start = time.monotonic()
        offset = number * 7 * CHUNK_BYTES
        for count in range(round(self.seconds / CHUNK_S)):
            due = start + (count + 1) * CHUNK_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            at = (offset + count * CHUNK_BYTES) % (len(self.pcm) - CHUNK_BYTES)
            at -= at % 2
            left.append(time.monotonic())
            self.late.append(left[-1] - due)
            await stream.send(self.pcm[at : at + CHUNK_BYTES])
            self.sent += 1
        await stream.end()

    async def _hear(self, stream: Session, left: Sequence[float]) -> None:
        async for event in stream:
            if isinstance(event, Partial) and event.end is not None:
                chunk = chunk_with(event.end)
                if chunk < len(left):
                    self.added.append(time.monotonic() - left[chunk])


def chunk_with(end: float) -> int:
    """The number of the chunk, from 0, that has the last sample before `end` seconds."""
    return max(0, int(end / CHUNK_S - 1e-6))


def play(url: str, pid: int | None, pcm: bytes, sessions: int, seconds: float) -> Step:
    """One number of sessions; Ctrl-C ends it early and keeps what came until then."""
    crowd, meter, interrupted = Crowd(url, pcm, seconds), Meter(pid), False
    mark, began = meter.mark(), time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_watched(crowd, meter, sessions))
    except KeyboardInterrupt:
        interrupted = True
    return step(crowd, sessions, mark.cost(time.monotonic() - began), interrupted=interrupted)


async def _watched(crowd: Crowd, meter: Meter, sessions: int) -> None:
    watching = asyncio.create_task(meter.watch())
    try:
        await crowd.play(sessions)
    finally:
        watching.cancel()


def step(crowd: Crowd, sessions: int, cost: Cost, *, interrupted: bool) -> Step:
    """The figures of one number of sessions."""
    added, late = ([1000 * value for value in values] for values in (crowd.added, crowd.late))
    return Step(
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
    )


def measure(request: Request, sessions: Sequence[int]) -> int:
    """Play each number of sessions until one breaks the server, and print what it costs; the exit code.

    Raises:
        DalstonError: the server can't be had.
    """
    if request.url is not None:
        raise UsageError(
            "the overhead is measured on a server of its own, with the engine that answers at once"
        )
    console, steps, settings = Console(stderr=True), list[Step](), request.settings()
    settings |= {"sessions": list(sessions)}
    pcm = next(recording.pcm for recording in embedded() if recording.name == RECORDING)
    chosen = {"models": "fast=instant:any", "max_batch": BATCH, **request.chosen}
    document = Document("overhead", settings, steps, conditions())
    with own_server(max(sessions), chosen) as running:
        settings["server"] = dict(running.settings)
        play(running.url, None, pcm, 1, 1.0)  # does not count: what happens only once
        for count in sessions:
            with console.status(f"{count} sessions"):
                steps.append(play(running.url, running.pid, pcm, count, request.seconds))
            document.save(request.out)
            if steps[-1].broken or steps[-1].interrupted:
                break
    Console().print(table(steps))
    print(f"{verdict(steps)}\n\nThe whole result is in {request.out}.")
    return ExitCode.INTERRUPTED if steps[-1].interrupted else ExitCode.OK


def verdict(steps: Sequence[Step]) -> str:
    """Where it breaks, in a sentence."""
    last = steps[-1]
    if not last.broken:
        return f"It holds {last.sessions} sessions; more were not tried."
    why = f"; {last.errors[0]}" if last.errors else ""
    return f"It breaks at {last.sessions} sessions{why}."


def table(steps: Sequence[Step]) -> Table:
    """A row for each number of sessions."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION, caption_justify="left")
    columns = {
        "N": "sessions",
        "Failed": "failed",
        "Frames/s": "frames_per_second",
        "Per core": "frames_per_core",
        "Added p50": "added_p50",
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


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    whole = isinstance(value, int) or name in ("frames_per_second", "frames_per_core", "memory_mb")
    return f"{value:,.0f}" if whole else f"{value:.2f}" if "cores" in name else f"{value:.1f}"
