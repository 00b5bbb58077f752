"""Runs honcho so that a first Ctrl-C ends all in order, a second at once, and a failure is the last line.

`python -m runtime.supervisor start ...` takes what `honcho start` takes. It reaches into honcho's manager;
tests/wire/test_serve_command.py fails where another version of honcho does not allow that.
"""

import os
import re
import signal
import sys
from types import FrameType
from typing import Any, Final

from honcho import command
from honcho.manager import Manager

STOPPED: Final = re.compile(r"(\S+) stopped \((rc=-?\d+)\)")


class Supervisor(Manager):  # type: ignore[misc]
    """The processes of the Procfile, until a signal or until one of them ends by itself."""

    def __init__(self, printer: Any) -> None:
        """Print with `printer`, and keep the last line of each process."""
        super().__init__(printer)
        self._signalled = False
        self._first_stopped: tuple[str, str] | None = None
        self._last_lines: dict[str, str] = {}
        self._print, printer.write = printer.write, self._write

    def loop(self) -> None:
        """Run until all have ended; say why where it was not a signal that ended them."""
        super().loop()
        sys.stdout.flush()
        if self._signalled:
            self.returncode = 0
        elif self._first_stopped is not None:
            name, code = self._first_stopped
            last = self._last_lines.get(name)
            print(f"dalston-rt: {name} stopped ({code}){f': {last}' if last else ''}", file=sys.stderr)

    def _start(self) -> None:
        """Start all, undisturbed: a signal between two of them would end honcho's helpers alone."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        super()._start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle_signal)

    def _handle_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._signalled:
            self._end_at_once()
        self._signalled = True
        os.write(sys.stdout.fileno(), b"stopping; Ctrl-C again ends it at once\n")
        if super()._all_started():
            self.terminate()

    def _all_started(self) -> bool:
        """Whether each process runs; a signal that came before this is passed on then."""
        started: bool = super()._all_started()
        if started and self._signalled:
            self.terminate()
        return started

    def _end_at_once(self) -> None:
        for process in self._processes.values():
            if "pid" in process and "returncode" not in process:
                self._procmgr.kill(process["pid"])
        os._exit(0)  # As after the first signal: it ended because it was told to.

    def _system_print(self, data: str) -> None:
        """Print what started and stopped, and no line for each signal that is sent."""
        if data.startswith("sending "):
            return
        if self._first_stopped is None and (stopped := STOPPED.match(data)):
            self._first_stopped = stopped[1], stopped[2]
        super()._system_print(data)

    def _write(self, message: Any) -> None:
        if isinstance(message.data, bytes) and (line := message.data.decode(errors="replace").strip()):
            self._last_lines[message.name] = line
        self._print(message)


def main() -> None:
    """Be honcho, with this manager of processes."""
    command.Manager = Supervisor
    command.main()


if __name__ == "__main__":
    main()
