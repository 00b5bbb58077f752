"""Runs honcho so that what dies is started again, and a first Ctrl-C ends all in order, a second at once.

What can't be kept running ends all, with the reason as the last line.

`python -m runtime.supervisor start ...` takes what `honcho start` takes. It reaches into honcho's manager;
tests/wire/test_supervisor.py and test_serve_command.py fail where another version does not allow that.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Process
from pathlib import Path
from types import FrameType
from typing import Any, Final

from honcho import command
from honcho.manager import Manager

from runtime.procfile import STOP_SIGNALS
from runtime.restarts import Restarts

STORE: Final = "redis"  # The line of the Procfile that all others write to until they have ended.


class Supervisor(Manager):  # type: ignore[misc]
    """The processes of the Procfile, until a signal or until one of them can't be kept running."""

    def __init__(self, printer: Any) -> None:
        """Print with `printer`, and keep the last line of each process."""
        super().__init__(printer)
        self._signalled = False
        self._store_was_told = False
        self._pid = os.getpid()
        self.returncode: int | None
        self._restarts = Restarts()
        self._due: dict[str, float] = {}  # When each process that ended starts again, in monotonic seconds.
        self._given_up = ""  # The process that can't be kept running.
        self._last_lines: dict[str, str] = {}
        self._print, printer.write = printer.write, self._write

    def loop(self) -> None:
        """Run until all have ended; say why where it was not a signal that ended them."""
        super().loop()
        sys.stdout.flush()
        if self._signalled:
            self.returncode = 0
        elif self._given_up:
            print(f"dalston-rt: {self._reason(self._given_up)}", file=sys.stderr)

    def _reason(self, name: str) -> str:
        count, last = self._restarts.count(name), self._last_lines.get(name)
        often = f" {count} times in a short time" if count > 1 else ""
        return f"{name} stopped{often} (rc={self.returncode}){f': {last}' if last else ''}"

    def _start(self) -> None:
        """Start all; a signal from here on is passed on when all of them run."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._handle_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # `dalston-rt serve` blocks them until here.
        with _ignored_hang_up():
            super()._start()

    def _restart_ended(self) -> None:
        """Start again what ended by itself, each after its wait, or give up."""
        now = time.monotonic()
        for name, process in self._processes.items():
            if "returncode" not in process or self._given_up:
                continue
            if name not in self._due:
                self._schedule(name, process["returncode"], now)
            elif self._due[name] <= now:
                del self._due[name]
                self._start_again(name)

    def _schedule(self, name: str, code: int, now: float) -> None:
        delay = self._restarts.delay(name, code, now)
        if delay is None:
            self._given_up, self.returncode = name, code
            return
        self.returncode = None
        self._due[name] = now + delay
        super()._system_print(f"{name} starts again in {delay:g} s\n")

    def _start_again(self, name: str) -> None:
        process = self._processes[name]
        del process["pid"], process["returncode"]
        with _ignored_hang_up():
            process["process"] = Process(name=name, target=process["obj"].run, args=(self.events, True))
            process["process"].start()

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

        Called in each turn of the loop, it also starts again what ended, and ends the store once all others
        have ended.
        """
        if not (self._signalled or self._terminating):
            self._restart_ended()
        started: bool = super()._all_started()
        if started and self._signalled:
            self.terminate()
        if self._terminating and not self._store_was_told and self._others_ended():
            self._store_was_told = True
            self._signal_all(self._procmgr.terminate)
        return started

    def _any_stopped(self) -> bool:
        """Whether all have to end, as honcho has it when any of them has ended."""
        return bool(self._given_up or (self._terminating and super()._any_stopped()))

    def _all_stopped(self) -> bool:
        """Whether nothing is left to wait for: what starts again soon has not ended for good."""
        waits_for_restart = self._due and not (self._signalled or self._given_up)
        return bool(super()._all_stopped() and not waits_for_restart)

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
        if not data.startswith("sending "):
            super()._system_print(data)

    def _write(self, message: Any) -> None:
        if isinstance(message.data, bytes) and (line := message.data.decode(errors="replace").strip()):
            self._last_lines[message.name] = line
        try:
            self._print(message)
        except OSError:  # Nobody reads any more, as behind `head` or in a terminal that was closed.
            _discard_output()
            self._signalled = True


@contextmanager
def _ignored_hang_up() -> Iterator[None]:
    """Have what starts in the block ignore SIGHUP: honcho's helpers stay to the end."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


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
