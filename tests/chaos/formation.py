"""A server in parts, as on several hosts: one Redis, gateways and workers that can be killed one by one."""

import os
import signal
import socket
import subprocess
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
from tests.support.redis_fixture import RedisServer, redis_server

START_S: Final = 25.0
STAGES: Final = ("receiver", "vad", "asr", "assembler", "sender")
SUPERVISE_S: Final = 0.1


class Part:
    """Some lines of the Procfile under one honcho, started again whenever it ends, as by systemd."""

    def __init__(self, name: str, lines: tuple[str, ...], settings: dict[str, str]) -> None:
        self.name, self.log = name, list[str]()
        self.times: list[float] = []  # when each line came
        self._lines, self._settings = lines, settings
        self._stopped = False
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def _start(self) -> "subprocess.Popen[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DALSTON_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
        return subprocess.Popen(
            [sys.executable, "-m", "honcho", "start", "--no-colour", "--env", os.devnull, *self._lines],
            cwd=ROOT,
            env={**kept, **self._settings, "PATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _supervise(self) -> None:
        while True:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self.times.append(time.monotonic())
                self.log.append(line.rstrip())
            self._process.wait()
            self._process.stdout.close()
            if self._stopped:
                return
            self._process = self._start()

    def processes(self) -> dict[str, psutil.Process]:
        """The running processes by their Procfile line."""
        found = {}
        try:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                command = child.cmdline()
                if len(command) > 2 and command[-2] == "-m":
                    found[command[-1].removeprefix("stages.")] = child
        except psutil.NoSuchProcess:
            pass
        return found

    @property
    def starts(self) -> int:
        """How often it has come up: the lines with which workers and gateways say so."""
        return sum(line.endswith("places") or "listening on" in line for line in self.log)

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
        self._stopped = True
        for number, seconds in ((signal.SIGTERM, 6.0), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            self._thread.join(seconds)
            if not self._thread.is_alive():
                break


class Cluster:
    """Two workers, two gateways and a broker on one Redis."""

    def __init__(
        self, folder: Path, redis: RedisServer, workers: int, gateways: int, **settings: str
    ) -> None:
        ports = free_ports(workers + gateways)
        self.ports, self.redis = ports[workers:], redis
        shared = {"redis_url": redis.url, "asr_threads": "1", **settings}
        self.broker = Part("broker", ("broker",), _named(shared, run_dir=str(folder / "b")))
        self.workers = [
            Part(
                f"w{number}",
                STAGES,
                _named(
                    shared,
                    run_dir=str(folder / f"w{number}"),
                    receiver_port=str(port),
                    worker_id=f"w{number}",
                ),
            )
            for number, port in enumerate(ports[:workers], 1)
        ]
        self.gateways = [
            Part(
                f"g{number}",
                ("gateway",),
                _named(shared, run_dir=str(folder / f"g{number}"), gateway_port=str(port)),
            )
            for number, port in enumerate(self.ports, 1)
        ]

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


def _named(settings: dict[str, str], **more: str) -> dict[str, str]:
    return {f"DALSTON_{name.upper()}": value for name, value in {**settings, **more}.items()}


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


def loopback_port() -> socket.socket:
    """A listening socket on a free port."""
    return socket.create_server(("127.0.0.1", 0))
