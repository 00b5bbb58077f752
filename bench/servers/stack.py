"""What is round sessions, without a model: Redis, broker, gateway, and workers that transcribe nothing."""

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

LOOK_S: Final = 0.05
TAIL: Final = 1_000  # characters of the log of a process that ended
MODULES: Final = {"redis": "broker.store", "broker": "broker", "gateway": "gateway"}


@dataclass(frozen=True, slots=True)
class Stack:
    """The gateway's address, and the process ids by name; `workers` is one process for all of them."""

    address: str
    pids: Mapping[str, int]

    def get(self, path: str) -> httpx.Response:
        """A GET to the gateway."""
        return httpx.get(f"http://{self.address}{path}", trust_env=False)


@contextmanager
def stack(workers: int, places: int, chosen: Mapping[str, str]) -> Iterator[Stack]:
    """All of it with `workers` of `places` each, ready for sessions, and stopped at the end.

    Raises:
        FormationError: it did not become ready.
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
        commands["workers"] = ["bench.servers.fake_worker", str(workers), str(places)]
        parts = {
            part: running.enter_context(_process(command, folder / f"{part}.log", settings))
            for part, command in commands.items()
        }
        started = Stack(f"127.0.0.1:{port}", {part: process.pid for part, process in parts.items()})
        _wait(started, parts, workers * places, folder)
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
            start_new_session=True,  # a Ctrl-C in the terminal is for us, who then stop it in order
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


def _wait(started: Stack, parts: Mapping[str, subprocess.Popen[bytes]], places: int, folder: Path) -> None:
    until = time.monotonic() + START_S
    while _places(started) < places:
        for part, process in parts.items():
            if process.poll() is not None:
                tail = (folder / f"{part}.log").read_text(errors="replace")[-TAIL:]
                raise LocalServerError(f"the {part} ended:\n{tail}")
        if time.monotonic() > until:
            raise LocalServerError(f"no workers within {START_S:.0f} s")
        time.sleep(LOOK_S)


def _places(started: Stack) -> int:
    try:
        return int(started.get("/v1/realtime/status").json()["available_capacity"])
    except httpx.TransportError:
        return 0
