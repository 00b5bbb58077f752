"""Starts a server of one's own: honcho on free ports and in a temporary folder, until it is stopped."""

import os
import queue
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from runtime.errors import StartupError
from runtime.procfile import PROCFILE, honcho_command, with_interpreter

START_S: Final = 60.0  # until the gateway says that it is ready; a few seconds on an idle machine
STOP_S: Final = 8.0  # honcho kills 5 s after the first process stopped
ROOT: Final = Path(__file__).resolve().parent.parent  # a checkout, or site-packages
READY: Final = "ready: "
STOPPED: Final = re.compile(r"\S+ system\s*\| (\S+) stopped \((rc=-?\d+)\)")
TOLD: Final = 10  # lines of the process that ended first
LAST: Final = 15  # lines, where it is not known which one that was

_kept: Final[list[socket.socket]] = []  # The sockets of free_ports, which keep its ports from others.


class LocalServerError(StartupError):
    """The server did not start; the message has the last lines that it printed."""


class LocalServer:
    """The processes of the Procfile. `log` is everything that they printed so far."""

    def __init__(self, folder: Path, concurrency: str = "", root: Path = ROOT, **settings: str) -> None:
        """Start the code in `root`; `settings` are environment variables without their prefix (`fanout`)."""
        self.port, self.worker_port = free_ports(2)
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        defaults = {
            "gateway_port": str(self.port),
            "receiver_port": str(self.worker_port),
            "run_dir": str(folder / "run"),
            "data_dir": str(folder / "data"),
        }
        self.process = subprocess.Popen(
            honcho_command(procfile_of(root), concurrency, colour=False),
            cwd=root,
            env=environment(root, {**defaults, **settings}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, who then stop it in order
        )
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}"

    def wait_for(self, text: str, deadline_s: float = START_S) -> str:
        """Wait for a line that has `text` in it, and return it.

        Raises:
            FormationError: the server ended, or the time is over.
        """
        until = time.monotonic() + deadline_s
        while (left := until - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                raise LocalServerError(f"the server ended: {reason(self.log)}")
            if text in line:
                return line
        raise LocalServerError(
            f"no {text!r} from the server within {deadline_s:.0f} s:\n" + "\n".join(self.log[-LAST:])
        )

    def stop(self) -> int:
        """Stop it as Ctrl-C would; the exit code of honcho."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(STOP_S)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            self._lines.put(line.rstrip())
        self.process.stdout.close()
        self._lines.put(None)


@contextmanager
def formation(concurrency: str = "", root: Path = ROOT, **settings: str) -> Iterator[LocalServer]:
    """A server with the code in `root` that is ready for sessions, stopped at the end.

    Raises:
        FormationError: it did not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="dalston-") as folder:
        server = LocalServer(Path(folder), concurrency, root, **settings)
        try:
            server.wait_for(READY)
            yield server
        finally:
            server.stop()


def procfile_of(root: Path) -> Path:
    """The Procfile of a checkout; where there is none, that of the installed package."""
    found = root / PROCFILE.name
    return found if found.is_file() else PROCFILE


def reason(log: Sequence[str]) -> str:
    """Why a formation ended: the last words of the process that ended first and took the others with it."""
    stopped = next(filter(None, map(STOPPED.match, log)), None)
    if stopped is None:
        return "\n".join(log[-LAST:])
    name, code = stopped.groups()
    told = re.compile(rf"\S+ {re.escape(name)}\s*\| (.*)")
    lines = [match[1] for match in map(told.match, log) if match]
    return "\n".join([f"{name} stopped ({code})", *lines[-TOLD:]])


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on, and that the system gives to nobody while this process runs.

    A server that is told one of them can listen there, as it sets SO_REUSEADDR.
    """
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("127.0.0.1", 0))
    _kept.extend(sockets)
    return [int(each.getsockname()[1]) for each in sockets]


def environment(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without another server's settings, and with the interpreter of ours first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DALSTON_")}
    named = {f"DALSTON_{name.upper()}": value for name, value in settings.items()}
    return with_interpreter({**kept, **named, "PYTHONPATH": str(root)})
