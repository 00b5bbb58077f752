"""Runs a real worker: the receiver and its stages as processes, in a folder of their own."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from runtime.local_server import free_ports
from runtime.worker_link import PATH
from stages.topology import STAGES, parse_fanout
from tests.support.gateway_process import SECRET, until
from tests.support.managed_process import DEADLINE_S, EXIT_S, ManagedProcess, clean_environment

BYTES_PER_FRAME = 6_400  # 200 ms


class WorkerProcess:
    """The processes of a worker, by the names that honcho would give them."""

    def __init__(
        self,
        folder: Path,
        redis_url: str,
        fanout: str,
        *,
        prefix: Sequence[str] = (),
        host: str = "127.0.0.1",
        **settings: str,
    ) -> None:
        (self.port,) = free_ports(1)
        self._prefix, self._host = prefix, host
        self.worker_id = f"w{self.port}"
        self._settings = {
            "run_dir": str(folder),
            "receiver_port": str(self.port),
            "redis_url": redis_url,
            "worker_id": self.worker_id,
            "fanout": fanout,
            "internal_secret": SECRET,
            **settings,
        }
        counts = parse_fanout(fanout)
        self.names = ["receiver.1", *(f"{stage}.{k + 1}" for stage in STAGES for k in range(counts[stage]))]
        self._processes: dict[str, ManagedProcess] = {}

    def start(self) -> None:
        """Start all of its processes at once, as honcho does."""
        for name in self.names:
            self.start_one(name)

    def start_one(self, name: str) -> None:
        """Start a process for the first time, or again after it was killed."""
        module = f"stages.{name.partition('.')[0]}"
        env = clean_environment(**self._settings) | {"HONCHO_PROCESS_NAME": name}
        self._processes[name] = ManagedProcess(*self._prefix, sys.executable, "-m", module, env=env)

    def get(self, path: str) -> httpx.Response:
        """What plain HTTP gets."""
        return httpx.get(f"http://{self._host}:{self.port}{path}", trust_env=False)

    def health(self) -> tuple[int, list[str]]:
        """The status of `/healthz`, and which processes it misses; 0 while nobody listens."""
        try:
            answer = self.get("/healthz")
        except httpx.TransportError:
            return 0, []
        return answer.status_code, answer.json()["missing"]

    def wait_for_health(self, status: int, missing: list[str], deadline: float = DEADLINE_S) -> None:
        """Wait until the worker says so."""

        async def said() -> bool:
            return self.health() == (status, missing)

        try:
            asyncio.run(until(said, deadline))
        except TimeoutError:
            raise AssertionError(f"{self.health()}\n{self.logs()}") from None

    def connect(self, secret: str = SECRET) -> connect:
        """A connection, as a gateway opens it; `worker_sessions` opens sessions on it."""
        url = f"ws://{self._host}:{self.port}{PATH}"
        headers = {"Authorization": f"Bearer {secret}"}
        options: dict[str, Any] = {"proxy": None, "compression": None, "max_size": None}
        return connect(url, **options, additional_headers=headers, open_timeout=DEADLINE_S)

    def line(self, name: str, pattern: str) -> str:
        """Wait for a line of one process that matches."""
        return self._processes[name].line(pattern)

    def wait(self, name: str) -> int:
        """The exit code of one process, once it has ended."""
        return self._processes[name].wait()

    def kill(self, name: str) -> None:
        """End one process, as a crash would."""
        self._processes[name].kill()

    def terminate(self) -> None:
        """Signal all processes at once, as honcho does."""
        for process in self._processes.values():
            process.send(signal.SIGTERM)

    def exits(self) -> dict[str, int]:
        """All exit codes, within the time that honcho gives."""
        until = time.monotonic() + EXIT_S
        return {
            name: process.wait(max(0.0, until - time.monotonic()))
            for name, process in self._processes.items()
        }

    def end(self) -> None:
        """End what still runs."""
        for process in self._processes.values():
            process.kill()

    def logs(self) -> str:
        """What all processes logged."""
        return "\n".join(f"{n}: {line}" for n, process in self._processes.items() for line in process.lines)


@contextmanager
def worker_process(
    redis_url: str, fanout: str = "", *, start_s: float = DEADLINE_S, **settings: Any
) -> Iterator[WorkerProcess]:
    """A worker for the duration of a block, all of it up within `start_s` seconds."""
    with TemporaryDirectory(prefix="dalston-w-") as folder:
        worker = WorkerProcess(Path(folder), redis_url, fanout, **settings)
        try:
            worker.start()
            worker.wait_for_health(200, [], start_s)
            yield worker
        finally:
            worker.end()


async def send_audio(session: ClientConnection, pcm: bytes) -> None:
    """Send as fast as it is taken."""
    for at in range(0, len(pcm), BYTES_PER_FRAME):
        await session.send(pcm[at : at + BYTES_PER_FRAME])
