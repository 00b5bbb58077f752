"""What the session router costs: the way to a worker while sessions come and go, and idle sessions.

Workers without transcription take the sessions, so what is measured is gateway, broker and Redis.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.load.idle_sessions import IdleSessions
from bench.measure.figures import percentile, ratio
from bench.measure.usage import Usage, quantile
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.servers.stack import Stack, stack
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from runtime.settings import raise_file_limit

SERVER: Final = ("gateway", "broker", "redis")
COME_S: Final = 0.05  # between two sessions: what is measured is the way of one, not how many at once
FILL_S: Final = 0.01  # the same before anything is measured
SETTLE_S: Final = 3.0  # until what the arrivals left behind is done
SPARE: Final = 1.5  # places for each session: those that leave give theirs back a little later
BUDGET_MS: Final = 10.0  # of the specification, from the gateway to a worker
IDLE: Final = {"server_cores": 0.1, "mb_per_100": 25.0}  # what 1,000 idle sessions, and 100 of them, may cost
ROWS: Final = (
    ("Sessions that came", "routed", 0),
    ("Failed", "failed", 0),
    ("Routing p50, ms", "routing_p50", 1),
    ("p95", "routing_p95", 1),
    ("Until session.begin p50, ms", "begin_p50", 1),
    ("p95", "begin_p95", 1),
    ("Server, cores", "server_cores", 3),
    ("of it gateway", "gateway", 3),
    ("broker", "broker", 3),
    ("Redis", "redis", 3),
    ("waited for a CPU, s per s", "server_waited", 3),
    ("Gateway, MB", "gateway_mb", 0),
    ("more for 100 sessions", "mb_per_100", 1),
    ("Client, cores", "client", 3),
    ("Workers, cores", "workers", 3),
)
"""Label, figure, decimals."""


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """Sessions on workers: `idle` ones stay, others come and go, and `speaking` ones send audio."""

    workers: int
    sessions: int
    seconds: float
    idle: bool = False
    speaking: bool = False

    @property
    def places(self) -> int:
        """Of each worker."""
        return -(-round(self.sessions * SPARE) // self.workers)

    @property
    def name(self) -> str:
        """As the table says it, in two lines."""
        act = "idle" if self.idle else "speaking" if self.speaking else "silent"
        return f"{self.sessions:,} {act},\n{counted(self.workers, 'worker')}"


@dataclass(frozen=True, slots=True)
class RoutingStep:
    """One plan's figures; times in ms, by the gateway's histogram and as clients see `session.begin`."""

    plan: RoutingPlan
    failed: int
    interrupted: bool
    routed: int
    routing_p50: float | None
    routing_p95: float | None
    begin_p50: float | None
    begin_p95: float | None
    cores: Mapping[str, float]
    server_cores: float
    server_waited: (
        float  # s for each s: much of it means that others had the CPU, and that the times are theirs
    )
    gateway_mb: float | None
    mb_per_100: float | None
    errors: tuple[str, ...] = ()


class RoutingMeasurement:
    """Carries one plan out, in a stack that is empty."""

    def __init__(self, plan: RoutingPlan, running: Stack) -> None:
        self._plan, self._running = plan, running
        self._guests = IdleSessions(running.address, plan.speaking)
        self._usage: list[Usage] = []  # empty, full, and at the end

    def run(self) -> RoutingStep:
        """Its figures; Ctrl-C ends it early and keeps what came until then.

        Raises:
            KeyboardInterrupt: nothing had been measured.
        """
        interrupted = False
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._play())
        except KeyboardInterrupt:
            if len(self._usage) < 3:
                raise
            interrupted = True
        return step(self._plan, self._guests, self._usage, interrupted=interrupted)

    async def _play(self) -> None:
        plan, guests = self._plan, self._guests
        self._usage.append(Usage.look(self._running))
        await guests.fill(plan.sessions, FILL_S)
        await asyncio.sleep(min(SETTLE_S, plan.seconds))
        if not plan.idle:
            guests.began.clear()  # not all were there yet
        self._usage.append(Usage.look(self._running))
        try:
            if plan.idle:
                await asyncio.sleep(plan.seconds)
            else:
                await guests.change(round(plan.seconds / COME_S), COME_S)
        finally:
            self._usage.append(Usage.look(self._running))
        await guests.leave()


def step(
    plan: RoutingPlan, guests: IdleSessions, usage: Sequence[Usage], *, interrupted: bool
) -> RoutingStep:
    """The figures of a plan; `usage` before any session, before what is measured, and after it."""
    empty, full, end = usage
    begun = [1000 * seconds for seconds in guests.began]
    routed = end.routed_since(empty if plan.idle else full)
    cores, waited = end.cores_since(full), end.waited_since(full)
    return RoutingStep(
        plan=plan,
        failed=len(guests.errors),
        interrupted=interrupted,
        routed=round(max(routed.values(), default=0.0)),
        routing_p50=quantile(routed, 0.5),
        routing_p95=quantile(routed, 0.95),
        begin_p50=percentile(begun, 50, 2),
        begin_p95=percentile(begun, 95, 2),
        cores=cores,
        server_cores=round(sum(cores[name] for name in SERVER), 4),
        server_waited=round(sum(waited[name] for name in SERVER), 4),
        gateway_mb=ratio(end.memory, 1e6),
        mb_per_100=ratio(100 * (end.memory - empty.memory) / 1e6, plan.sessions),
        errors=tuple(sorted(set(guests.errors))[:5]),
    )


def measure(request: BenchRequest, plans: Sequence[RoutingPlan]) -> int:
    """Carry the plans out, each in a stack of its own, and print what they cost; the exit code.

    Raises:
        DalstonError: the processes do not start.
    """
    raise_file_limit()
    console, steps, settings = Console(stderr=True), list[RoutingStep](), request.settings()
    document = Document("routing", settings, steps, conditions())
    try:
        for plan in plans:
            with console.status(plan.name.replace("\n", " ")):
                steps.append(_carry_out(plan, request.chosen))
            document.save(request.out)
            if steps[-1].interrupted:
                raise KeyboardInterrupt
        code = ExitCode.OK
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if steps:
        Console().print(table(steps))
        print(f"The whole result is in {request.out}.")
    return code


def _carry_out(plan: RoutingPlan, chosen: Mapping[str, str]) -> RoutingStep:
    with stack(plan.workers, plan.places, chosen) as running:
        return RoutingMeasurement(plan, running).run()


def table(steps: Sequence[RoutingStep]) -> Table:
    """A column for each plan; red where it is more than it may be."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("Figure")
    for each in steps:
        found.add_column(each.plan.name + (" (cut short)" if each.interrupted else ""), justify="right")
    for label, name, decimals in ROWS:
        found.add_row(label, *(_cell(each, name, decimals) for each in steps))
    return found


def _cell(of: RoutingStep, name: str, decimals: int) -> Text:
    values = {**asdict(of), **of.cores}
    value: float | None = values[name]
    if value is None:
        return Text("–", style="dim")
    most = {"failed": 0.0, "routing_p95": BUDGET_MS, **(IDLE if of.plan.idle else {})}
    return Text(f"{value:,.{decimals}f}", style="red" if value > most.get(name, value) else "")
