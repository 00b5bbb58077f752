"""Runs honcho so that a first Ctrl-C ends all in order, a second at once, and a failure is the last line.

`python -m runtime.supervisor start ...` takes what `honcho start` takes. It reaches into honcho's manager;
tests/wire/test_supervisor.py and test_serve_command.py fail where another version does not allow that.
"""

import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from honcho import command
from honcho.manager import Manager

from runtime.procfile import STOP_SIGNALS

STORE: Final = "redis"  # The line of the Procfile that all others write to until they have ended.
STOPPED: Final = re.compile(r"(\S+) stopped \((rc=-?\d+)\)")


class Supervisor(Manager):  # type: ignore[misc]
    """The processes of the Procfile, until a signal or until one of them ends by itself."""

    def __init__(self, printer: Any) -> None:
        """Print with `printer`, and keep the last line of each process."""
        super().__init__(printer)
        self._signalled = False
        self._store_was_told = False
        self._pid = os.getpid()
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
        """Start all; a signal from here on is passed on when all of them run."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # `dalston-rt serve` blocks them until here.
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # For honcho's helpers, which stay to the end.
        super()._start()
        signal.signal(signal.SIGHUP, hang_up)

    def _handle_signal(self, _number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return  # A helper of honcho, before it ignores the signals of a terminal.
        if self._signalled and super()._all_started():
            self._end_at_once()
        self._signalled = True
        with suppress(OSError):  # The terminal may be closed.
            os.write(sys.stdout.fileno(), b"stopping; Ctrl-C again ends it at once\n")
        if super()._all_started():
            self.terminate()

    def _all_started(self) -> bool:
        """Whether each process runs; a signal that came before this is passed on then.

        Called in each turn of the loop, it also ends the store once all others have ended.
        """
        started: bool = super()._all_started()
        if started and self._signalled:
            self.terminate()
        if self._terminating and not self._store_was_told and self._others_ended():
            self._store_was_told = True
            self._signal_all(self._procmgr.terminate)
        return started

    def _killall(self, force: bool = False) -> None:
        """Signal all, the store only by force: those that end have slots and checkpoints to write to it."""
        if force:
            self._signal_all(self._procmgr.kill)
        else:
            self._signal_all(self._procmgr.terminate, besides=STORE)

    def _signal_all(self, send: Callable[[int], None], besides: str = "") -> None:
        for name, process in self._processes.items():
            if "pid" in process and "returncode" not in process and _line_of(name) != besides:
                send(process["pid"])

    def _others_ended(self) -> bool:
        return all("returncode" in each for name, each in self._processes.items() if _line_of(name) != STORE)

    def _end_at_once(self) -> None:
        self._signal_all(self._procmgr.kill)
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
        try:
            self._print(message)
        except OSError:  # Nobody reads any more, as behind `head` or in a terminal that was closed.
            _discard_output()
            self._signalled = True


def _line_of(name: str) -> str:
    """The line of the Procfile that the process `name`, such as `vad.2`, runs."""
    return name.partition(".")[0]


def _discard_output() -> None:
    """Have what stdout still holds go nowhere, or the end of the program would fail on it."""
    with suppress(OSError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def main() -> None:
    """Be honcho, with this manager of processes."""
    command.Manager = Supervisor
    command.main()


if __name__ == "__main__":
    main()
