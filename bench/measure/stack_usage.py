"""A stack that runs in, what its processes have used and how soon its gateway found workers out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
from prometheus_client.parser import text_string_to_metric_families

from bench.servers.stack import Stack

ROUTING: Final = "dalston_gateway_routing_seconds"


@dataclass(frozen=True, slots=True)
class Usage:
    """So far: CPU seconds of each process and of the client, the gateway's bytes, and its routing times.

    `waited` are the seconds for which processes could have run and others had the CPU. `routed` counts the
    sessions that took no longer than each bound, in seconds.
    """

    at: float
    cpu: Mapping[str, float]
    waited: Mapping[str, float]
    memory: int
    routed: Mapping[float, float]

    @classmethod
    def look(cls, running: Stack) -> "Usage":
        """As of now."""
        processes = {name: psutil.Process(pid) for name, pid in running.pids.items()}
        times = {name: process.cpu_times() for name, process in processes.items()}
        cpu = {name: spent.user + spent.system for name, spent in times.items()}
        waited = {name: _waited(pid) for name, pid in running.pids.items()}
        memory = processes["gateway"].memory_info().rss
        routed = buckets(running.get("/metrics").text)
        return cls(time.monotonic(), {**cpu, "client": time.process_time()}, waited, memory, routed)

    def cores_since(self, before: "Usage") -> dict[str, float]:
        """Of each process and of the client."""
        return _rates(self.cpu, before.cpu, self.at - before.at)

    def waited_since(self, before: "Usage") -> dict[str, float]:
        """Of each process, in seconds for each second."""
        return _rates(self.waited, before.waited, self.at - before.at)

    def routed_since(self, before: "Usage") -> dict[float, float]:
        """Sessions by the bounds of the histogram."""
        return {bound: count - before.routed.get(bound, 0.0) for bound, count in self.routed.items()}


def buckets(metrics: str) -> dict[float, float]:
    """The histogram of the routing times in the gateway's metrics, by the upper bounds in seconds."""
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(metrics)
        if family.name == ROUTING
        for sample in family.samples
        if sample.name.endswith("_bucket")
    }


def quantile(routed: Mapping[float, float], share: float) -> float | None:
    """The time in ms within which that share was; between two bounds as if evenly spread, as Prometheus does.

    None of nothing, and where it is above the last bound.
    """
    wanted = share * max(routed.values(), default=0.0)
    low, below = 0.0, 0.0
    for bound, count in sorted(routed.items()):
        if wanted and count >= wanted:
            if bound == float("inf"):
                return None
            return round(1000 * (low + (bound - low) * (wanted - below) / (count - below)), 2)
        low, below = bound, count
    return None


def _rates(now: Mapping[str, float], before: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: round((value - before[name]) / max(seconds, 1e-9), 4) for name, value in now.items()}


def _waited(pid: int) -> float:
    """Seconds in which the first thread was ready and did not run; 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0
