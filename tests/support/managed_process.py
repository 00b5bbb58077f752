"""Runs a program for a test, collects what it writes, and ends it and its children with the test."""

import io
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from runtime.local_server import ROOT, environment

DEADLINE_S = (
    60.0  # Seconds; most takes one or two, on a busy machine ten. Only a test that fails waits so long.
)
EXIT_S = 5.0  # Seconds; honcho kills what has not ended so long after the signal.


class PipeReader:
    """Collects the lines of a pipe in a thread, and with each the time at which it came."""

    def __init__(self, pipe: IO[str]) -> None:
        self.lines: list[str] = []
        self.times: list[float] = []  # Seconds of the monotonic clock.
        self._pipe, self._changed, self._is_over = pipe, threading.Condition(), False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, pattern: str, skip: int, deadline_s: float) -> str | None:
        """The first line after `skip` lines that matches; None once the pipe or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._find(pattern, skip), deadline_s)
            return self._find(pattern, skip)

    def join(self, deadline_s: float) -> None:
        """Wait until the last writer of the pipe is gone, and all lines are here."""
        self._thread.join(deadline_s)

    def _find(self, pattern: str, skip: int) -> str | None:
        return next((line for line in self.lines[skip:] if re.search(pattern, line)), None)

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self._append(line.rstrip())
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _append(self, line: str) -> None:
        with self._changed:
            self.times.append(time.monotonic())
            self.lines.append(line)
            self._changed.notify_all()


class ManagedProcess:
    """A program in a process group of its own, from its construction to the end of the `with` block.

    What it writes to stdout and stderr is in `lines`, in one order; with `stderr=PIPE`, what it writes
    there is in `errors`. A file descriptor instead of a pipe, such as a terminal's, is not read.
    """

    def __init__(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.STDOUT,
    ) -> None:
        """Start it; `env` None: with the environment of the test."""
        self._process = subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # A Ctrl-C in the terminal is for pytest, which then ends the process.
        )
        self._output = PipeReader(self._process.stdout or io.StringIO())
        self._errors = PipeReader(self._process.stderr or io.StringIO())

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """What it has written so far."""
        return self._output.lines

    @property
    def errors(self) -> list[str]:
        """What it has written to a stderr of its own."""
        return self._errors.lines

    @property
    def times(self) -> list[float]:
        """When each line came, in seconds of the monotonic clock."""
        return self._output.times

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def line(self, pattern: str, skip: int = 0, deadline_s: float = DEADLINE_S) -> str:
        """Wait for a line after the first `skip` ones that matches `pattern`, and return it.

        Raises:
            AssertionError: it ended, or the time is over.
        """
        line = self._output.wait_for(pattern, skip, deadline_s)
        assert line is not None, f"no line {pattern!r} in {self.lines}"
        return line

    def send(self, number: int) -> None:
        """Send a signal to the process, not to its children."""
        self._process.send_signal(number)

    def wait(self, deadline_s: float | None = DEADLINE_S) -> int:
        """Its exit code, once it has ended and all of its lines are here.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        code = self._process.wait(deadline_s)
        self._output.join(DEADLINE_S)
        self._errors.join(DEADLINE_S)
        return code

    def kill(self) -> int:
        """End it and all processes below it as a crash would, if it still runs; its exit code."""
        for process in self._family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        return self.wait()

    def stop(self, deadline_s: float) -> int:
        """Ask it to end as Ctrl-C would, and kill it where it takes too long; its exit code."""
        self.send(signal.SIGTERM)
        try:
            return self.wait(deadline_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def _family(self) -> list[psutil.Process]:
        """The process and all below it, also those in groups of their own; none once it has ended."""
        if not self.is_running:
            return []
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()


def clean_environment(**settings: str) -> dict[str, str]:
    """The environment without the settings of another server; `settings` are named without `DALSTON_`."""
    return environment(ROOT, settings)
