"""Reads what the processes of a stack have used, and how long its gateway took to find workers."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.servers.stack import Stack

ROUTING_METRIC: Final = "dalston_gateway_routing_seconds"


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """The state of a stack at the monotonic time `at`, all since its start.

    `cpu` has the CPU seconds of each process and of the client, `memory` the bytes of the gateway. `waited`
    are the seconds in which processes were ready to run and others had the CPU. `routed` is the histogram of
    the routing times: for each upper bound in seconds the number of sessions that took no longer.
    """

    at: float
    cpu: Mapping[str, float]
    waited: Mapping[str, float]
    memory: int
    routed: Mapping[float, float]

    @classmethod
    def read(cls, stack: Stack) -> "StackSnapshot":
        """Read the present state of a stack."""
        processes = {name: psutil.Process(pid) for name, pid in stack.pids.items()}
        times = {name: process.cpu_times() for name, process in processes.items()}
        cpu = {name: spent.user + spent.system for name, spent in times.items()}
        waited = {name: _waited_for_cpu(pid) for name, pid in stack.pids.items()}
        memory = processes["gateway"].memory_info().rss
        routed = routing_histogram(stack.get("/metrics").text)
        return cls(time.monotonic(), {**cpu, "client": time.process_time()}, waited, memory, routed)

    def cores_since(self, before: "StackSnapshot") -> dict[str, float]:
        """The cores that each process and the client used."""
        return _rates(self.cpu, before.cpu, self.at - before.at)

    def waited_since(self, before: "StackSnapshot") -> dict[str, float]:
        """How long each process waited for a CPU, in seconds for each second."""
        return _rates(self.waited, before.waited, self.at - before.at)

    def routed_since(self, before: "StackSnapshot") -> dict[float, float]:
        """The histogram of the sessions that were routed since."""
        return {bound: count - before.routed.get(bound, 0.0) for bound, count in self.routed.items()}


def routing_histogram(metrics: str) -> dict[float, float]:
    """Read the histogram of the routing times from the gateway's metrics, by upper bounds in seconds."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(metrics)
        if family.name == ROUTING_METRIC
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }


def histogram_quantile(routed: Mapping[float, float], share: float) -> float | None:
    """The routing time in ms that this share of the sessions did not exceed.

    Between two bounds times count as evenly spread, as in Prometheus. None for an empty histogram, and where
    the quantile is above the last bound.
    """
    rank = share * max(routed.values(), default=0.0)
    low, below = 0.0, 0.0
    for bound, count in sorted(routed.items()):
        if rank and count >= rank:
            if bound == float("inf"):
                return None
            return round(1000 * (low + (bound - low) * (rank - below) / (count - below)), 2)
        low, below = bound, count
    return None


def _rates(now: Mapping[str, float], before: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: round((value - before[name]) / max(seconds, 1e-9), 4) for name, value in now.items()}


def _waited_for_cpu(pid: int) -> float:
    """Seconds in which the main thread was ready and did not run; 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
