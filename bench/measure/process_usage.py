"""Measures the CPU time and the memory of a tree of processes, and what the rest of the machine uses."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

import psutil

from runtime.gpu import Gpu

INTERVAL_S: Final = 0.5  # Seconds between samples; a process that lives shorter than this is missed.
IDLE_STATES: Final = ("idle", "iowait", "guest", "guest_nice")  # Guest time is part of user time already.


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What was used in `seconds` of wall-clock time; CPU times in seconds, memory in bytes.

    What concerns the server is None where its processes are not known. `memory` is the peak; `gpu_memory` and
    `gpu_busy` (percent of the time) are those of the whole device. `other_cores` are the cores that
    everything else on the machine used: far from 0 means a disturbed run. `by_process` splits `server_cpu` by
    the names of processes. `memory_over_time` has points of seconds since the beginning and bytes.
    """

    seconds: float
    server_cpu: float | None
    memory: int | None
    gpu_memory: int | None
    client_cpu: float
    other_cores: float
    by_process: Mapping[str, float] = field(default_factory=dict)
    memory_over_time: Sequence[tuple[float, int]] = ()
    gpu_busy: float | None = None


@dataclass(slots=True)
class ProcessMeter:
    """Samples a process and all below it; `pid` None: only the machine."""

    pid: int | None
    _cpu: dict[tuple[int, float], float] = field(default_factory=dict)  # By process id and start time.
    _names: dict[tuple[int, float], str] = field(default_factory=dict)
    _memory: list[tuple[float, int]] = field(default_factory=list)  # Monotonic time in seconds, bytes.
    _gpu_memory: int = 0
    _gpu_busy: list[float] = field(default_factory=list)
    _gpu: Gpu = field(default_factory=Gpu)

    def sample(self) -> float:
        """Take a sample; returns the CPU seconds of the tree so far.

        Those of processes that have ended count as they were in the last sample.
        """
        memory = 0
        for process in self._tree():
            try:
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                memory += process.memory_info().rss
            except psutil.Error:
                continue
        if memory:
            self._memory.append((time.monotonic(), memory))
        self._sample_gpu()
        return sum(self._cpu.values())

    def _sample_gpu(self) -> None:
        if (gpu := self._gpu.memory()) is not None:
            self._gpu_memory = max(self._gpu_memory, gpu.used)
        if (busy := self._gpu.busy()) is not None:
            self._gpu_busy.append(busy)

    def by_process(self) -> dict[str, float]:
        """CPU seconds so far by the names of processes; several processes of one stage count together."""
        seconds: dict[str, float] = defaultdict(float)
        for key, cpu in self._cpu.items():
            seconds[self._name(*key)] += cpu
        return dict(seconds)

    def _name(self, pid: int, started: float) -> str:
        """The name of a process, which is remembered when it has ended."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == started and (name := process_name(process.cmdline())):
                self._names[pid, started] = name
        return self._names.get((pid, started), "ended")

    async def run(self) -> None:
        """Sample at regular intervals, until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(INTERVAL_S)

    def _tree(self) -> list[psutil.Process]:
        if self.pid is None:
            return []
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def baseline(self) -> "UsageBaseline":
        """The usage so far, to measure from."""
        at, server = time.monotonic(), self.sample()
        return UsageBaseline(self, at, server, time.process_time(), _machine_cpu(), self.by_process())

    def memory_since(self, at: float) -> list[tuple[float, int]]:
        """The memory of the tree in each sample since `at`: seconds since then, bytes."""
        return [(when - at, memory) for when, memory in self._memory if when >= at]

    def gpu(self) -> tuple[int | None, float | None]:
        """The largest memory of the GPU so far, and how busy it was on average, in percent."""
        busy = sum(self._gpu_busy) / len(self._gpu_busy) if self._gpu_busy else None
        return self._gpu_memory or None, busy


@dataclass(frozen=True, slots=True)
class UsageBaseline:
    """What had been used at one moment, in CPU seconds; `at` is the monotonic time."""

    meter: ProcessMeter
    at: float
    server: float
    client: float
    machine: float
    by_process: Mapping[str, float]

    def usage_over(self, seconds: float) -> ProcessUsage:
        """What was used since then, which was `seconds` ago."""
        server = self.meter.sample() - self.server
        client = time.process_time() - self.client
        other = _machine_cpu() - self.machine - server - client
        memory = self.meter.memory_since(self.at)
        gpu_memory, gpu_busy = self.meter.gpu()
        return ProcessUsage(
            seconds=seconds,
            server_cpu=server if self.meter.pid is not None else None,
            memory=max((size for _, size in memory), default=None),
            gpu_memory=gpu_memory,
            client_cpu=client,
            other_cores=other / max(seconds, 1e-9),
            by_process=self._by_process(),
            memory_over_time=memory,
            gpu_busy=gpu_busy,
        )

    def _by_process(self) -> dict[str, float]:
        now = self.meter.by_process()
        return {name: cpu - self.by_process.get(name, 0.0) for name, cpu in now.items()}


def process_name(command: Sequence[str]) -> str:
    """The Procfile's name of a command, such as `vad` for `python -m stages.vad`; empty for no command."""
    if "-m" in command[:-1]:
        module = command[command.index("-m") + 1]
        return "redis" if module == "broker.store" else module.removeprefix("stages.")
    return PurePath(command[0].split()[0]).name if command and command[0] else ""


def _machine_cpu() -> float:
    """CPU seconds of all processes of the machine since it was started."""
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in times.items() if name not in IDLE_STATES)
