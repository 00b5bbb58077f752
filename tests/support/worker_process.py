"""A real worker for tests: the receiver and its stages as processes, in a folder of their own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from runtime.worker_link import PATH
from stages.topology import STAGES, parse_fanout
from tests.support.gateway_process import SECRET, until

START_S = 30.0
EXIT_S = 5.0  # from the signal to the end of all processes
BYTES_PER_FRAME = 6_400  # 200 ms


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        self.folder, self.port = folder, free_port()
        self._prefix, self._host = prefix, host
        self.worker_id = f"w{self.port}"
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("DALSTON_")} | {
            "DALSTON_RUN_DIR": str(folder),
            "DALSTON_RECEIVER_PORT": str(self.port),
            "DALSTON_REDIS_URL": redis_url,
            "DALSTON_WORKER_ID": self.worker_id,
            "DALSTON_FANOUT": fanout,
            "DALSTON_INTERNAL_SECRET": SECRET,
            **{f"DALSTON_{name.upper()}": value for name, value in settings.items()},
        }
        counts = parse_fanout(fanout)
        self.names = ["receiver.1", *(f"{stage}.{k + 1}" for stage in STAGES for k in range(counts[stage]))]
        self._processes = {name: self._start(name) for name in self.names}

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*self._prefix, sys.executable, "-m", f"stages.{name.partition('.')[0]}"],
                env=self._environment | {"HONCHO_PROCESS_NAME": name},
                stdout=log,
                stderr=log,
            )

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

    def wait_for_health(self, status: int, missing: list[str], deadline: float = START_S) -> None:
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
        return connect(url, proxy=None, compression=None, max_size=None, additional_headers=headers)

    def kill(self, name: str) -> None:
        """End one process, as a crash would."""
        self._processes[name].kill()
        self._processes[name].wait(EXIT_S)

    def start_again(self, name: str) -> None:
        """Start a process that was killed."""
        self._processes[name] = self._start(name)

    def terminate(self) -> None:
        """Signal all processes at once, as honcho does."""
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)

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
            process.wait(EXIT_S)

    def logs(self) -> str:
        """What all processes logged."""
        return "\n".join(f"{n}: {(self.folder / f'{n}.log').read_text()}" for n in self.names)


@contextmanager
def worker_process(redis_url: str, fanout: str = "", **settings: Any) -> Iterator[WorkerProcess]:
    """A worker for the duration of a block, all of it up."""
    with TemporaryDirectory(prefix="dalston-w-") as folder:
        worker = WorkerProcess(Path(folder), redis_url, fanout, **settings)
        try:
            worker.wait_for_health(200, [])
            yield worker
        finally:
            worker.end()


async def send_audio(session: ClientConnection, pcm: bytes) -> None:
    """Send as fast as it is taken."""
    for at in range(0, len(pcm), BYTES_PER_FRAME):
        await session.send(pcm[at : at + BYTES_PER_FRAME])
