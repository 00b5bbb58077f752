"""What a tree of processes uses: CPU time, memory, and what the rest of the machine does meanwhile."""

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

INTERVAL: Final = 0.5  # s; what a child used that lived shorter than this is missed
NOT_WORK: Final = ("idle", "iowait", "guest", "guest_nice")


@dataclass(frozen=True, slots=True)
class Cost:
    """Over the time that it was looked at; memory in bytes, at most, GPU memory of the whole device."""

    seconds: float
    server_cpu: float | None  # s; None where the server's processes are not known
    memory: int | None
    gpu_memory: int | None
    client_cpu: float
    other_cores: float  # cores that everything else used: far from 0 means a disturbed run
    by_process: Mapping[str, float] = field(default_factory=dict)  # server_cpu by the name of a process
    memory_over_time: Sequence[tuple[float, int]] = ()  # s since the beginning, bytes
    gpu_busy: float | None = None  # percent of the time, all that runs on the device


@dataclass(slots=True)
class Meter:
    """Looks at a process and all below it; `pid` None: at nothing but the machine."""

    pid: int | None
    _cpu: dict[tuple[int, float], float] = field(default_factory=dict)
    _names: dict[tuple[int, float], str] = field(default_factory=dict)
    _memory: list[tuple[float, int]] = field(default_factory=list)  # when, bytes
    _gpu_memory: int = 0
    _gpu_busy: list[float] = field(default_factory=list)
    _gpu: Gpu = field(default_factory=Gpu)

    def look(self) -> float:
        """CPU seconds of the tree so far; those of children that have ended count as last seen."""
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
        if (gpu := self._gpu.memory()) is not None:
            self._gpu_memory = max(self._gpu_memory, gpu.used)
        if (busy := self._gpu.busy()) is not None:
            self._gpu_busy.append(busy)
        return sum(self._cpu.values())

    def by_process(self) -> dict[str, float]:
        """CPU seconds so far by the name of a process; those of one stage are one."""
        found: dict[str, float] = defaultdict(float)
        for key, seconds in self._cpu.items():
            found[self._name(*key)] += seconds
        return dict(found)

    def _name(self, pid: int, started: float) -> str:
        """What a process is, or was when it was last asked."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.create_time() == started and (name := process_name(process.cmdline())):
                self._names[pid, started] = name
        return self._names.get((pid, started), "ended")

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL)

    def _tree(self) -> list[psutil.Process]:
        if self.pid is None:
            return []
        try:
            root = psutil.Process(self.pid)
            return [root, *root.children(recursive=True)]
        except psutil.Error:
            return []

    def mark(self) -> "Mark":
        """A moment to measure from."""
        at, server = time.monotonic(), self.look()
        return Mark(self, at, server, time.process_time(), _busy(), self.by_process())

    def memory_since(self, at: float) -> list[tuple[float, int]]:
        """The memory of the tree whenever it was looked at: s since then, bytes."""
        return [(when - at, memory) for when, memory in self._memory if when >= at]

    def gpu(self) -> tuple[int | None, float | None]:
        """The largest memory of the GPU so far, and how busy it was on average."""
        busy = sum(self._gpu_busy) / len(self._gpu_busy) if self._gpu_busy else None
        return self._gpu_memory or None, busy


@dataclass(frozen=True, slots=True)
class Mark:
    """What had been used at one moment, in CPU seconds."""

    meter: Meter
    at: float  # of the clock that does not jump
    server: float
    client: float
    machine: float
    by_process: Mapping[str, float]

    def cost(self, seconds: float) -> Cost:
        """What was used since, in a time of `seconds`."""
        server = self.meter.look() - self.server
        client = time.process_time() - self.client
        other = _busy() - self.machine - server - client
        memory = self.meter.memory_since(self.at)
        peak = max((size for _, size in memory), default=None)
        known = server if self.meter.pid is not None else None
        spent = {
            name: seconds - self.by_process.get(name, 0.0)
            for name, seconds in self.meter.by_process().items()
        }
        (gpu, busy), others = self.meter.gpu(), other / max(seconds, 1e-9)
        return Cost(seconds, known, peak, gpu, client, others, spent, memory, busy)


def process_name(command: Sequence[str]) -> str:
    """The line of the Procfile that a command is, `vad` for `python -m stages.vad`; "" for none."""
    if "-m" in command[:-1]:
        module = command[command.index("-m") + 1]
        return "redis" if module == "broker.store" else module.removeprefix("stages.")
    return PurePath(command[0].split()[0]).name if command and command[0] else ""


def _busy() -> float:
    times: dict[str, float] = psutil.cpu_times()._asdict()
    return sum(seconds for name, seconds in times.items() if name not in NOT_WORK)
