"""Measures what the scripts of the session router cost Redis, with many workers, gateways and sessions."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, get_args

import orjson
import redis
from rich.console import Console
from rich.table import Table

from bench.load.load_process import LoadProcess
from bench.load.router_load import Fleet
from bench.measure.figures import percentile
from bench.report.plain_table import plain_table
from bench.report.result_file import ResultFile, conditions
from bench.scenarios.router_costs import CallCost, RouterCosts
from bench.servers.redis_server import run_redis
from broker.store.scripts import ScriptName, Scripts
from dalston_realtime.cli.exits import ExitCode
from runtime.local_server import LocalServerError

CALLS: Final = 200  # Of each kind, whose cost is measured.
PROCESSES: Final = 2  # That play the workers, and as many for the gateways: they take turns on few cores.
SETTLE_S: Final = 2.0  # Seconds before each measurement, in which what came before comes to its end.
LOGGED_S: Final = 3.0  # Seconds in which Redis writes down what each call took; that costs it something.
LOGGED: Final = 20_000  # Calls that it keeps: more than it gets in that time.
SLOW_LOG: Final = ("--slowlog-max-len", str(LOGGED), "--slowlog-log-slower-than", "-1")
BUSY: Final = 0.9  # Share of the slots that are taken while sessions come and go without a wait.
ROWS: Final = (
    ("Redis, cores", "cores", 3),
    ("allocations", "allocations", 0),
    ("allocate p50, ms", "allocate_p50", 2),
    ("allocate p99, ms", "allocate_p99", 2),
    ("in Redis p50, ms", "in_redis_p50", 3),
    ("in Redis p99, ms", "in_redis_p99", 3),
    ("longest call of any script, ms", "longest", 1),
    ("heartbeat in Redis p50, ms", "heartbeat_p50", 3),
    ("failed or refused", "failed", 0),
    ("load average", "load", 1),
)
"""The rows of the table: label, figure, decimals."""


@dataclass(frozen=True, slots=True)
class RouterPlan:
    """How many workers there are, and so on; `rate` is of allocations a second."""

    workers: int
    slots: int
    gateways: int
    rate: float
    waiting: int
    seconds: float

    @property
    def sessions(self) -> int:
        """The sessions that run from the beginning."""
        return int(self.workers * self.slots * BUSY)


@dataclass(frozen=True, slots=True)
class RouterPhase:
    """The figures of one phase; times in ms. `allocate_*` are a gateway's, `in_redis_*` the script's alone.

    `longest` is the longest call of any script, for which all others wait.
    """

    name: str
    cores: float
    allocations: int
    allocate_p50: float | None
    allocate_p99: float | None
    in_redis_p50: float | None
    in_redis_p99: float | None
    longest: float | None
    heartbeat_p50: float | None
    failed: int
    waiting: int
    load: float
    scripts: Mapping[str, Sequence[float]]  # By name: calls a second, their share of a core.


class RouterMeasurement:
    """Measures phase after phase with one Redis."""

    def __init__(self, server: "redis.Redis", url: str, plan: RouterPlan) -> None:
        self._server, self._plan = server, plan
        source = Scripts(url).source
        self._names = {source(name)[1]: name for name in get_args(ScriptName)}

    def run(
        self,
        name: str,
        workers: Sequence[LoadProcess],
        gateways: Sequence[LoadProcess],
        rate: float,
        waiting: int,
    ) -> RouterPhase:
        """Measure one phase."""
        share = {"rate": rate / PROCESSES, "waiting": waiting / PROCESSES}
        self._play(workers, gateways, SETTLE_S, share)
        before, began = self._cpu(), time.monotonic()
        answers = self._play(workers, gateways, self._plan.seconds, share)
        cores = (self._cpu() - before) / (time.monotonic() - began)
        self._server.slowlog_reset()
        self._server.config_set("slowlog-log-slower-than", 0)
        self._play(workers, gateways, LOGGED_S, share)
        self._server.config_set("slowlog-log-slower-than", -1)
        logged = self._logged()
        took = [each for answer in answers for each in answer.get("took", ())]
        in_redis = logged.get("allocate", ())
        return RouterPhase(
            name=name,
            cores=round(cores, 3),
            allocations=len(took),
            allocate_p50=percentile(took, 50),
            allocate_p99=percentile(took, 99),
            in_redis_p50=percentile(in_redis, 50),
            in_redis_p99=percentile(in_redis, 99),
            longest=max((max(each) for each in logged.values()), default=None),
            heartbeat_p50=percentile(logged.get("heartbeat", ()), 50),
            failed=sum(answer.get("failed", 0) + answer.get("refused", 0) for answer in answers),
            waiting=sum(answer.get("waiting", 0) for answer in answers),
            load=os.getloadavg()[0],
            scripts={
                script: (round(len(each) / LOGGED_S, 1), round(sum(each) / 1000 / LOGGED_S, 4))
                for script, each in logged.items()
            },
        )

    def _play(
        self,
        workers: Sequence[LoadProcess],
        gateways: Sequence[LoadProcess],
        seconds: float,
        share: Mapping[str, float],
    ) -> list[dict[str, Any]]:
        for gateway in gateways:
            gateway.tell(seconds=seconds, **share)
        if not gateways:
            time.sleep(seconds)
        answers = [orjson.loads(gateway.line()) for gateway in gateways]
        for worker in workers:
            worker.tell()
            answers.append(orjson.loads(worker.line()))
        return answers

    def _cpu(self) -> float:
        used: Any = self._server.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def _logged(self) -> dict[str, list[float]]:
        """What each call took, in ms, by script."""
        found: dict[str, list[float]] = {}
        entries: Any = self._server.slowlog_get(LOGGED)
        for entry in entries:
            command = entry["command"].split(b" ", 2)
            if command[0].upper() == b"EVALSHA" and (name := self._names.get(command[1].decode())):
                found.setdefault(name, []).append(entry["duration"] / 1000)
        return found


def measure(plan: RouterPlan, out: Path) -> int:
    """Measure all phases, and print the figures; returns the exit code.

    Raises:
        LocalServerError: a process of the load has ended.
    """
    console, phases = Console(stderr=True), list[RouterPhase]()
    with console.status("the cost of each call"):
        costs = measure_costs(plan)
    Console().print(costs_table(costs))
    result_file = ResultFile("router", asdict(plan), phases, conditions(), costs)
    with tempfile.TemporaryDirectory(prefix="dalston-") as name, ExitStack() as running:
        folder = Path(name)
        url = f"unix://{folder}/redis.sock"
        log = running.enter_context((folder / "load.log").open("wb"))
        server = running.enter_context(run_redis(folder, log, *SLOW_LOG))
        measurement = RouterMeasurement(server, url, plan)
        workers = _start(running, url, "workers", plan, plan.workers, log)
        gateways: list[LoadProcess] = []
        try:
            for phase, with_gateways, rate, waiting in _phases(plan):
                if with_gateways and not gateways:
                    gateways = _start(running, url, "gateways", plan, plan.gateways, log)
                with console.status(phase):
                    phases.append(measurement.run(phase, workers, gateways, rate, waiting))
                result_file.save(out)
        except LocalServerError:
            print((folder / "load.log").read_text()[-2000:], file=sys.stderr)
            raise
    Console().print(table(phases))
    print(f"The whole result is in {out}.")
    return ExitCode.OK


def measure_costs(plan: RouterPlan) -> list[CallCost]:
    """What each kind of call costs, in a Redis of its own."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as name, ExitStack() as running:
        folder = Path(name)
        log = running.enter_context((folder / "redis.log").open("wb"))
        server = running.enter_context(run_redis(folder, log, *SLOW_LOG))
        fleet = Fleet("workers", 0, plan.workers, plan.workers, plan.slots, plan.sessions, plan.gateways)
        costs = RouterCosts(server, f"unix://{folder}/redis.sock", fleet, CALLS)

        async def measure() -> list[CallCost]:
            try:
                return await costs.measure(plan.waiting)
            finally:
                await costs.close()

        return asyncio.run(measure())


def costs_table(costs: Sequence[CallCost]) -> Table:
    """A table with a row for each kind of call."""
    rows = [
        [each.name, f"{each.redis_ms:.3f}", _cell(each.wait_p50, 1), _cell(each.wait_p99, 1)]
        for each in costs
    ]
    caption = "CPU time of Redis for a call, and how long its caller waits; load average"
    return plain_table(
        ["", " Redis, ms", " wait p50, ms", " p99, ms"], rows, f"{caption} {os.getloadavg()[0]:.1f}"
    )


def _phases(plan: RouterPlan) -> list[tuple[str, bool, float, int]]:
    """Name, whether there are gateways, allocations a second, sessions that wait."""
    return [
        ("heartbeats", False, 0, 0),
        (f"{plan.sessions:,} sessions", True, 0, 0),
        (f"{plan.rate:g} a second", True, plan.rate, 0),
        (f"{plan.waiting} wait", True, plan.rate, plan.waiting),
    ]


def _start(
    running: ExitStack, url: str, kind: str, plan: RouterPlan, count: int, log: IO[bytes]
) -> list[LoadProcess]:
    started = []
    for number in range(PROCESSES):
        first, last = count * number // PROCESSES, count * (number + 1) // PROCESSES
        fleet = Fleet(kind, first, last, plan.workers, plan.slots, plan.sessions, plan.gateways)
        started.append(LoadProcess(url, fleet, log))
        running.callback(started[-1].close)
    for each in started:
        each.line()
    return started


def table(phases: Sequence[RouterPhase]) -> Table:
    """A table with a column for each phase."""
    found = [asdict(phase) for phase in phases]
    rows = [[label, *(_cell(each[name], decimals) for each in found)] for label, name, decimals in ROWS]
    return plain_table(["", *(phase.name for phase in phases)], rows, "")


def _cell(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:,.{decimals}f}"
