"""Measures how long sessions take to get to a worker while others begin and end, and what idle sessions use.

The workers transcribe nothing, so only gateway, broker and Redis are measured.
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
from bench.measure.stack_usage import StackSnapshot, histogram_quantile
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.servers.stack import Stack, run_stack
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from runtime.settings import raise_file_limit

SERVER: Final = (
    "gateway",
    "broker",
    "redis",
)  # What counts as the server; workers are the load.
REPLACE_S: Final = 0.05  # Seconds between two sessions: one at a time is measured, not a rush.
START_S: Final = 0.01  # Seconds between two sessions before anything is measured.
SETTLE_S: Final = 3.0  # Seconds after the start until the processes have no more work from it.
SPARE: Final = 1.5  # Slots for each session; those that end release theirs a little later.
BUDGET_MS: Final = 10.0  # Milliseconds from the gateway to a worker, by the specification.
# Limits for idle sessions: cores of the server for 1,000 of them, and MB of the gateway for 100.
IDLE_LIMITS: Final = {"server_cores": 0.1, "mb_per_100": 25.0}
MAX_ERRORS: Final = 5  # Different error messages that are kept; more repeat the same.
ROWS: Final = (
    ("Sessions begun", "routed", 0),
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
"""The rows of the table: label, figure, decimals."""


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """Sessions that are replaced one by one, or that stay if `idle`; `speaking` ones send audio."""

    workers: int
    sessions: int
    seconds: float
    idle: bool = False
    speaking: bool = False

    @property
    def slots(self) -> int:
        """The slots of each worker."""
        return -(-round(self.sessions * SPARE) // self.workers)

    @property
    def name(self) -> str:
        """The head of the table's column, in two lines."""
        kind = "idle" if self.idle else "speaking" if self.speaking else "silent"
        return f"{self.sessions:,} {kind},\n{counted(self.workers, 'worker')}"


@dataclass(frozen=True, slots=True)
class RoutingStep:
    """The figures of one plan; times in ms.

    `routing_*` are those of the gateway's histogram, `begin_*` what clients waited for `session.begin`.
    `server_waited` are the seconds in a second in which processes waited for a CPU: where it is large, other
    work of the machine made the times long.
    """

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
    server_waited: float
    gateway_mb: float | None
    mb_per_100: float | None
    errors: tuple[str, ...] = ()


class RoutingMeasurement:
    """Measures one plan, in a stack without sessions."""

    def __init__(self, plan: RoutingPlan, stack: Stack) -> None:
        self._plan, self._stack = plan, stack
        self._sessions = IdleSessions(stack.address, plan.speaking)
        self._usage: list[StackSnapshot] = []  # Without sessions, with all of them, and at the end.

    def run(self) -> RoutingStep:
        """Measure; Ctrl-C ends it early and keeps what came until then.

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
        return step_figures(self._plan, self._sessions, self._usage, interrupted=interrupted)

    async def _play(self) -> None:
        plan, idle_sessions = self._plan, self._sessions
        self._usage.append(StackSnapshot.read(self._stack))
        await idle_sessions.start(plan.sessions, START_S)
        await asyncio.sleep(min(SETTLE_S, plan.seconds))
        if not plan.idle:
            idle_sessions.began.clear()  # They began before all were there.
        self._usage.append(StackSnapshot.read(self._stack))
        try:
            if plan.idle:
                await asyncio.sleep(plan.seconds)
            else:
                await idle_sessions.replace(round(plan.seconds / REPLACE_S), REPLACE_S)
        finally:
            self._usage.append(StackSnapshot.read(self._stack))
        await idle_sessions.end_all()


def step_figures(
    plan: RoutingPlan, idle_sessions: IdleSessions, usage: Sequence[StackSnapshot], *, interrupted: bool
) -> RoutingStep:
    """Compute the figures of a plan; `usage`: without sessions, when measuring began, and when it ended."""
    empty, full, end = usage
    begun = [1000 * seconds for seconds in idle_sessions.began]
    routed = end.routed_since(empty if plan.idle else full)
    cores, waited = end.cores_since(full), end.waited_since(full)
    return RoutingStep(
        plan=plan,
        failed=len(idle_sessions.errors),
        interrupted=interrupted,
        routed=round(max(routed.values(), default=0.0)),
        routing_p50=histogram_quantile(routed, 0.5),
        routing_p95=histogram_quantile(routed, 0.95),
        begin_p50=percentile(begun, 50, 2),
        begin_p95=percentile(begun, 95, 2),
        cores=cores,
        server_cores=round(sum(cores[name] for name in SERVER), 4),
        server_waited=round(sum(waited[name] for name in SERVER), 4),
        gateway_mb=ratio(end.memory, 1e6),
        mb_per_100=ratio(100 * (end.memory - empty.memory) / 1e6, plan.sessions),
        errors=tuple(sorted(set(idle_sessions.errors))[:MAX_ERRORS]),
    )


def measure(request: BenchRequest, plans: Sequence[RoutingPlan]) -> int:
    """Measure the plans, each in a stack of its own, and print the figures; returns the exit code.

    Raises:
        DalstonError: the processes do not start.
    """
    raise_file_limit()
    console, steps, settings = Console(stderr=True), list[RoutingStep](), request.to_settings()
    result_file = ResultFile("routing", settings, steps, conditions())
    try:
        for plan in plans:
            with console.status(plan.name.replace("\n", " ")):
                steps.append(_measure_plan(plan, request.server_settings))
            result_file.save(request.out)
            if steps[-1].interrupted:
                raise KeyboardInterrupt
        code = ExitCode.OK
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if steps:
        Console().print(table(steps))
        print(f"The whole result is in {request.out}.")
    return code


def _measure_plan(plan: RoutingPlan, chosen: Mapping[str, str]) -> RoutingStep:
    with run_stack(plan.workers, plan.slots, chosen) as running:
        return RoutingMeasurement(plan, running).run()


def table(steps: Sequence[RoutingStep]) -> Table:
    """A table with a column for each plan; red marks what is beyond its limit."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("Figure")
    for each in steps:
        found.add_column(each.plan.name + (" (cut short)" if each.interrupted else ""), justify="right")
    for label, name, decimals in ROWS:
        found.add_row(label, *(_cell(each, name, decimals) for each in steps))
    return found


def _cell(step: RoutingStep, name: str, decimals: int) -> Text:
    values = {**asdict(step), **step.cores}
    value: float | None = values[name]
    if value is None:
        return Text("–", style="dim")
    limits = {"failed": 0.0, "routing_p95": BUDGET_MS, **(IDLE_LIMITS if step.plan.idle else {})}
    return Text(f"{value:,.{decimals}f}", style="red" if value > limits.get(name, value) else "")
