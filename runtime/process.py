"""Runs a server process: its log, the countdown that a signal starts, its lock file, its clean end."""

import asyncio
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, Final, NoReturn

from dalston_realtime.protocol.errors import DalstonError
from runtime.errors import StartupError
from runtime.logs import get_logger
from runtime.process_lock import ProcessLock

log = get_logger(__name__)

GRACE_S: Final = 3.0  # Seconds from the signal to the end: honcho kills 5 s after the first process stopped.
REFUSED: Final = 1  # Exit code of a process that says what is wrong: started again, it would say the same.
FAULT: Final = 70  # Exit code of a process that failed; started again, it may do better.
POLL_S: Final = 0.1  # Seconds by which an asyncio process may notice the signal late.


class Stop:
    """The signal starts a countdown; the end of the stream ends the loop.

    SIGTERM and SIGINT set `requested`. If the process has not ended by itself `grace` seconds later it
    exits with code 70, whatever it is doing: no peer that is gone can hold it.
    """

    _process_is_stopping: ClassVar[bool] = False

    def __init__(self, grace: float = GRACE_S) -> None:
        self.requested = False
        self._grace = grace
        signal.signal(signal.SIGALRM, self._expire)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request)

    @classmethod
    def process_is_stopping(cls) -> bool:
        """Whether this process has had the signal: what it needs of others may end before it does."""
        return cls._process_is_stopping

    def extend(self, seconds: float) -> None:
        """Have the countdown take so much longer; to be called before the signal."""
        self._grace += seconds

    async def wait(self, task: "asyncio.Future[Any]") -> None:
        """Wait for the signal, or for `task` to end first, which it only does with an error."""
        while not self.requested and not task.done():
            await asyncio.wait([task], timeout=POLL_S)
        if task.done():
            task.result()

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = Stop._process_is_stopping = True
            signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _expire(self, _number: int, _frame: FrameType | None) -> NoReturn:
        log.error("not drained in time after the signal", seconds=self._grace)
        logging.shutdown()
        os._exit(FAULT)


def run_main(name: str, main: Callable[[], None]) -> NoReturn:
    """Run a process; a `StartupError` becomes one line and exit code 1, what nobody expected exit code 70."""
    try:
        main()
    except StartupError as error:
        sys.exit(f"{name}: {error}")  # With the code REFUSED, which is that of every message.
    except DalstonError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(FAULT)
    except Exception:  # noqa: BLE001 - it is shown, and the code says that it was none of ours
        traceback.print_exc()
        sys.exit(FAULT)
    sys.exit(0)


def lock(path: Path) -> ProcessLock:
    """Hold `path` while this process lives: a second process of that name would take its socket.

    Raises:
        StartupError: another process holds it, or it is no file of ours.
    """
    try:
        return ProcessLock(path)
    except OSError as error:
        if isinstance(error, PermissionError) or error.errno == errno.ELOOP:
            raise StartupError(
                f"{path} is not a file of ours: delete it, or set another DALSTON_RUN_DIR"
            ) from None
        raise StartupError(
            f"{path.stem} runs already in {path.parent}; set another DALSTON_RUN_DIR for a second worker"
        ) from None
