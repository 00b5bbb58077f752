"""Starts a server in parts, as on several hosts: gateways and workers that can be killed one by one."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx
import psutil

from runtime.local_server import ROOT, free_ports
from tests.support.managed_process import ManagedProcess, clean_environment
from tests.support.redis_fixture import RedisServer, redis_server

START_S: Final = 60.0
STAGES: Final = ("receiver", "vad", "asr", "assembler", "sender")
STOP_S: Final = 6.0  # Seconds; honcho kills its processes 5 s after the first of them has stopped.
SUPERVISE_S: Final = 0.1


class Part:
    """Some lines of the Procfile under one honcho, started again whenever it ends, as by systemd."""

    def __init__(self, name: str, lines: tuple[str, ...], **settings: str) -> None:
        self.name = name
        self._command = (sys.executable, "-m", "honcho", "start", "--no-colour", "--env", os.devnull, *lines)
        self._env = clean_environment(**settings)
        self._runs = [self._start()]
        self._starting, self._is_stopped = threading.Lock(), False
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def _start(self) -> ManagedProcess:
        return ManagedProcess(*self._command, env=self._env, cwd=ROOT)

    def _supervise(self) -> None:
        while True:
            self._runs[-1].wait(None)
            with self._starting:
                if self._is_stopped:
                    return
                self._runs.append(self._start())

    @property
    def log(self) -> list[str]:
        """What it has printed so far, over all of its runs."""
        return [line for run in self._runs for line in run.lines]

    @property
    def times(self) -> list[float]:
        """When each line came, in seconds of the monotonic clock."""
        return [at for run in self._runs for at in run.times]

    def processes(self) -> dict[str, psutil.Process]:
        """The running processes by their Procfile line."""
        found = {}
        try:
            for child in psutil.Process(self._runs[-1].pid).children(recursive=True):
                command = child.cmdline()
                if len(command) > 2 and command[-2] == "-m":
                    found[command[-1].removeprefix("stages.")] = child
        except psutil.NoSuchProcess:
            pass
        return found

    @property
    def starts(self) -> int:
        """How often it has come up: the lines with which workers and gateways say so."""
        return sum(" registered worker=" in line or " listening" in line for line in self.log)

    def signal(self, line: str, number: int) -> bool:
        """Send a signal to a process; whether it was there."""
        victim = self.processes().get(line)
        if victim is None:
            return False
        try:
            victim.send_signal(number)
        except psutil.NoSuchProcess:
            return False
        return True

    def stop(self) -> None:
        """Stop it for good."""
        with self._starting:
            self._is_stopped = True
        self._runs[-1].stop(STOP_S)
        self._thread.join(STOP_S)


class Cluster:
    """Two workers, two gateways and a broker on one Redis."""

    def __init__(
        self, folder: Path, redis: RedisServer, workers: int, gateways: int, **settings: str
    ) -> None:
        ports = free_ports(workers + gateways)
        self.ports, self.redis = ports[workers:], redis
        self._folder = folder
        self._shared = {"redis_url": redis.url, "asr_threads": "1", **settings}
        self.broker = self._part("broker", ("broker",))
        self.workers = [
            self._part(f"w{number}", STAGES, receiver_port=str(port), worker_id=f"w{number}")
            for number, port in enumerate(ports[:workers], 1)
        ]
        self.gateways = [
            self._part(f"g{number}", ("gateway",), gateway_port=str(port))
            for number, port in enumerate(self.ports, 1)
        ]

    def _part(self, name: str, lines: tuple[str, ...], **settings: str) -> Part:
        return Part(name, lines, **self._shared, run_dir=str(self._folder / name), **settings)

    @property
    def parts(self) -> list[Part]:
        """All of it."""
        return [self.broker, *self.workers, *self.gateways]

    def status(self, gateway: int = 0) -> dict[str, int | str]:
        """What a gateway says; empty while it does not answer."""
        try:
            url = f"http://127.0.0.1:{self.ports[gateway]}/v1/realtime/status"
            answer: dict[str, int | str] = httpx.get(url, trust_env=False, timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return {}
        return answer

    def wait_back(self, part: Part, starts: int, deadline_s: float = START_S) -> None:
        """Wait until a part has come up once more than `starts` times."""
        until = time.monotonic() + deadline_s
        while part.starts <= starts and part is not self.broker:
            assert time.monotonic() < until, part.log[-15:]
            time.sleep(SUPERVISE_S)

    def wait_whole(self, deadline_s: float = START_S) -> None:
        """Wait until every gateway sees every worker."""
        until = time.monotonic() + deadline_s
        wanted = len(self.workers)
        while not all(self.status(g).get("ready_workers") == wanted for g in range(len(self.gateways))):
            assert time.monotonic() < until, [line for part in self.parts for line in part.log[:14]]
            time.sleep(SUPERVISE_S)

    def wait_missed(self, deadline_s: float = START_S) -> None:
        """Wait until some gateway misses a worker."""
        until = time.monotonic() + deadline_s
        while self.status().get("ready_workers") == len(self.workers):
            assert time.monotonic() < until, "a worker that is stopped is still counted"
            time.sleep(SUPERVISE_S)

    def between(self, begin: float, end: float) -> list[str]:
        """What was logged from `begin` to `end`, as it came."""
        lines = [
            (at, f"{at - begin:6.2f} {part.name} {line}")
            for part in self.parts
            for at, line in zip(part.times, part.log, strict=False)
            if begin <= at <= end
        ]
        return [line for _, line in sorted(lines)]

    def resident_mb(self) -> dict[str, float]:
        """Memory of each of its processes."""
        return {
            f"{part.name} {name}": process.memory_info().rss / 1e6
            for part in self.parts
            for name, process in part.processes().items()
        }

    def stop(self) -> None:
        """Stop all of it."""
        threads = [threading.Thread(target=part.stop) for part in self.parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@contextmanager
def cluster(workers: int = 2, gateways: int = 1, **settings: str) -> Iterator[tuple[Cluster, str]]:
    """A running server, and the URL of its Redis."""
    with redis_server() as redis, TemporaryDirectory(prefix="dc-") as folder:
        formed = Cluster(Path(folder), redis, workers, gateways, **settings)
        try:
            formed.wait_whole()
            yield formed, redis.url
        finally:
            formed.stop()
