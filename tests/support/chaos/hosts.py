"""Starts a server on several hosts as users do, with one `dalston-rt serve` each, and finds what to break."""

import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import psutil

from runtime.local_server import ROOT, free_ports
from runtime.procfile import with_interpreter
from runtime.restarts import RestartLimits
from tests.support.managed_process import ManagedProcess, clean_environment

START_S: Final = 60.0  # Seconds; all processes of all hosts import their libraries at once.
STOP_S: Final = 8.0  # Seconds; the supervisor kills its processes 5 s after the first of them has stopped.
LOOK_S: Final = 0.1  # Seconds between two looks at what runs.
COMMAND: Final = (sys.executable, "-m", "dalston_realtime.cli", "serve")
SECRET: Final = "the secret of the chaos"
SLOTS: Final = "8"  # So that the sessions of all workers have room on one.
REDIS: Final = "redis"
LIMITS: Final = RestartLimits()
SPARE: Final = 1  # Of the times that a process may end: what else breaks it is not to end the whole host.


class ServedHost:
    """One `dalston-rt serve`, whose supervisor starts again what ends; it may itself be killed."""

    def __init__(self, name: str, folder: Path, ports: tuple[int, int], **settings: str) -> None:
        self.name = name
        self.port, worker_port = ports
        fixed = {
            "gateway_port": str(self.port),
            "receiver_port": str(worker_port),
            "worker_id": name,
            "internal_secret": SECRET,
            "sessions_per_gpu": SLOTS,
            "run_dir": str(folder / name),
            "data_dir": str(folder / f"{name}-data"),
        }
        self._env = with_interpreter(clean_environment(**{**fixed, **settings}))
        self._runs = [self._start()]
        self._ends: defaultdict[str, list[float]] = defaultdict(list)

    def may_end(self, line: str) -> bool:
        """Whether the supervisor starts this process again once more; it is noted that it ends now."""
        recent = [at for at in self._ends[line] if at > time.monotonic() - LIMITS.window]
        if len(recent) >= LIMITS.most - SPARE:
            return False
        self._ends[line] = [*recent, time.monotonic()]
        return True

    def _start(self) -> ManagedProcess:
        return ManagedProcess(*COMMAND, env=self._env, cwd=ROOT)

    @property
    def log(self) -> list[str]:
        """What it has printed so far."""
        return [line for run in self._runs for line in run.lines]

    @property
    def times(self) -> list[float]:
        """When each line came, in seconds of the monotonic clock."""
        return [at for run in self._runs for at in run.times]

    def processes(self) -> dict[str, psutil.Process]:
        """The running processes by their Procfile line."""
        found = {}
        for child in self._children():
            try:
                command = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            if command and "redis-server" in command[0]:
                found[REDIS] = child
            elif len(command) > 2 and command[-2] == "-m":
                found[command[-1].removeprefix("stages.")] = child
        return found

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._runs[-1].pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def signal(self, line: str, number: int) -> int:
        """Send a signal to a process; its id, 0 if it was not there."""
        victim = self.processes().get(line)
        if victim is None:
            return 0
        try:
            victim.send_signal(number)
        except psutil.NoSuchProcess:
            return 0
        return victim.pid

    def is_replaced(self, line: str, pid: int, deadline_s: float) -> bool:
        """Wait until another process runs in the place of `pid`; whether that came in time."""
        until = time.monotonic() + deadline_s
        while (found := self.processes().get(line)) is None or found.pid == pid:
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_S)
        return True

    def crash(self) -> None:
        """Kill all of it as a power cut would, and start it again."""
        self._runs[-1].kill()
        self._ends.clear()
        self._runs.append(self._start())

    def ask(self, path: str) -> dict[str, Any]:
        """What its gateway says; empty while it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.port}/v1/realtime/{path}"
            answer: dict[str, Any] = httpx.get(url, trust_env=False, timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return answer

    def stop(self) -> None:
        """Stop it for good."""
        self._runs[-1].stop(STOP_S)


class Cluster:
    """Hosts on one Redis, which the first of them runs."""

    def __init__(self, folder: Path, count: int, **settings: str) -> None:
        self.redis_url = f"unix://{folder}/h1/redis.sock"
        shared = {**settings, "redis_url": self.redis_url}
        ports = free_ports(2 * count)  # All at once, so that none is found twice.
        self.hosts = [
            ServedHost(f"h{k + 1}", folder, (ports[2 * k], ports[2 * k + 1]), **(shared if k else settings))
            for k in range(count)
        ]

    @property
    def ports(self) -> list[int]:
        """Those of the gateways."""
        return [host.port for host in self.hosts]

    def is_whole(self) -> bool:
        """Whether every gateway sees every worker."""
        return all(host.ask("status").get("ready_workers") == len(self.hosts) for host in self.hosts)

    def busiest(self) -> ServedHost | None:
        """The host whose worker has the most sessions; None where none has any, or nobody says."""
        sessions = Counter[str]()
        for host in self.hosts:
            for worker in host.ask("workers").get("workers", []):
                sessions[worker["worker_id"]] = worker["active_sessions"]
        (name, count), *_ = sessions.most_common(1) or [("", 0)]
        return next(host for host in self.hosts if host.name == name) if count else None

    def wait_whole(self, deadline_s: float = START_S) -> None:
        """Wait until it is whole."""
        until = time.monotonic() + deadline_s
        while not self.is_whole():
            assert time.monotonic() < until, [line for host in self.hosts for line in host.log[-20:]]
            time.sleep(LOOK_S)

    def between(self, begin: float, end: float) -> list[str]:
        """What was logged from `begin` to `end`, as it came."""
        lines = [
            (at, f"{at - begin:6.2f} {host.name} {line}")
            for host in self.hosts
            for at, line in zip(host.times, host.log, strict=False)
            if begin <= at <= end
        ]
        return [line for _, line in sorted(lines)]

    def resident_mb(self) -> dict[str, float]:
        """Memory of each of its processes."""
        return {
            f"{host.name} {name}": process.memory_info().rss / 1e6
            for host in self.hosts
            for name, process in host.processes().items()
        }

    def stop(self) -> None:
        """Stop all of it."""
        threads = [threading.Thread(target=host.stop) for host in self.hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@contextmanager
def cluster(hosts: int, **settings: str) -> Iterator[Cluster]:
    """A running server on so many hosts."""
    with TemporaryDirectory(prefix="dc-") as folder:
        formed = Cluster(Path(folder), hosts, asr_threads="1", **settings)
        try:
            formed.wait_whole()
            yield formed
        finally:
            formed.stop()
