"""Starts Redis, a broker, a gateway and workers that transcribe nothing."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from runtime.local_server import ROOT, START_S, STOP_S, LocalServerError, environment, free_ports

POLL_S: Final = 0.05  # Seconds between two looks at whether the workers are registered.
TAIL: Final = 1_000  # Characters of the log of a process that ended: enough for its last error.
MODULES: Final = {"redis": "broker.store", "broker": "broker", "gateway": "gateway"}


@dataclass(frozen=True, slots=True)
class Stack:
    """The gateway's address, and the process ids by name; all workers are one process."""

    address: str
    pids: Mapping[str, int]

    def get(self, path: str) -> httpx.Response:
        """Send a GET request to the gateway."""
        return httpx.get(f"http://{self.address}{path}", trust_env=False)


@contextmanager
def run_stack(workers: int, slots: int, chosen: Mapping[str, str]) -> Iterator[Stack]:
    """Run a stack with so many workers of `slots` each, set as `chosen` says, for the duration of a block.

    Raises:
        LocalServerError: it did not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="dalston-") as name, ExitStack() as running:
        folder, (port,) = Path(name), free_ports(1)
        settings = {
            "gateway_port": str(port),
            "run_dir": str(folder / "run"),
            "data_dir": str(folder / "data"),
            **chosen,
        }
        commands = {part: [module] for part, module in MODULES.items()}
        commands["workers"] = ["bench.servers.fake_worker", str(workers), str(slots)]
        parts = {
            part: running.enter_context(_process(command, folder / f"{part}.log", settings))
            for part, command in commands.items()
        }
        started = Stack(f"127.0.0.1:{port}", {part: process.pid for part, process in parts.items()})
        _wait_until_ready(started, parts, workers * slots, folder)
        yield started


@contextmanager
def _process(
    command: Sequence[str], log: Path, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment(ROOT, settings),
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only this process, which stops the others in order.
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(
    started: Stack, parts: Mapping[str, subprocess.Popen[bytes]], slots: int, folder: Path
) -> None:
    until = time.monotonic() + START_S
    while _free_slots(started) < slots:
        for part, process in parts.items():
            if process.poll() is not None:
                tail = (folder / f"{part}.log").read_text(errors="replace")[-TAIL:]
                raise LocalServerError(f"the {part} ended:\n{tail}")
        if time.monotonic() > until:
            raise LocalServerError(f"no workers within {START_S:.0f} s")
        time.sleep(POLL_S)


def _free_slots(started: Stack) -> int:
    try:
        return int(started.get("/v1/realtime/status").json()["available_capacity"])
    except httpx.TransportError:
        return 0
