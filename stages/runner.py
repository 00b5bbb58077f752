"""What all processes share: logging, the countdown that a signal starts, and the loop of a stage."""

import asyncio
import fcntl
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final, NoReturn, Protocol

import zmq

from stages.beats import Beats
from stages.channels import Inbox, Outlet, Packet, address, by_route, only
from stages.errors import DalstonError, StartupError
from stages.fanout import STAGES, parse_fanout
from stages.gathering import Gathering
from stages.messages import Alive, EndOfStream, Message
from stages.metrics import StageMetrics, open_metrics
from stages.settings import WorkerSettings, make_private_dir

log = logging.getLogger(__name__)

GRACE_S: Final = 3.0  # from the signal to the end; honcho kills 5 s after the first process stopped
POLL_S: Final = 0.1  # how late an asyncio process may notice the signal
IDLE_MS: Final = 250  # the longest wait for a message: how late the end may be noticed
PATIENT_MS: Final = 5  # for one that was sent together with another


def configure_logging(name: str, level: str) -> None:
    """Log lines as `level name message`; the supervisor adds the time."""
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format=f"%(levelname)-7s {name} %(message)s",
        force=True,
    )


class Stop:
    """The signal starts a countdown; the end of the stream ends the loop.

    SIGTERM and SIGINT set `requested`. If the process has not ended by itself `grace` seconds later it
    exits with code 1, whatever it is doing: no peer that is gone can hold it.
    """

    def __init__(self, grace: float = GRACE_S) -> None:
        self.requested = False
        self._grace = grace
        signal.signal(signal.SIGALRM, self._expire)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request)

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
            self.requested = True
            signal.setitimer(signal.ITIMER_REAL, self._grace)

    def _expire(self, _number: int, _frame: FrameType | None) -> NoReturn:
        log.error("not drained within %.1f s after the signal", self._grace)
        logging.shutdown()
        os._exit(1)


def run_main(name: str, main: Callable[[], None]) -> NoReturn:
    """Run a process; a `StartupError` becomes one line and exit code 1."""
    try:
        main()
    except DalstonError as error:
        sys.exit(f"{name}: {error}")
    sys.exit(0)


def process_index(environ: dict[str, str] | None = None) -> int:
    """Which process of its stage this is, from 0; honcho says `vad.2` in HONCHO_PROCESS_NAME."""
    name = (environ or dict(os.environ)).get("HONCHO_PROCESS_NAME", "")
    number = name.rpartition(".")[2]
    return int(number) - 1 if number.isdigit() and int(number) > 0 else 0


class Stage(Protocol):
    """One stage as pure logic: messages in, messages out; no sockets, no clock of its own."""

    def handle(self, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
        """Take one message that came at `now` (CLOCK_MONOTONIC, ns)."""
        ...

    def work(self, now: int) -> Iterable[Packet]:
        """Do one piece of the work that waits, if there is any."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `work` has something to do."""
        ...

    @property
    def patient(self) -> bool:
        """Whether a message that comes within `PATIENT_MS` should be handled before `work`."""
        ...


def _longest_wait_ms(stage: Stage) -> int:
    """How long to wait for a message: not at all where there is something to do at once."""
    if not stage.busy:
        return IDLE_MS
    return PATIENT_MS if stage.patient else 0


class StageProcess:
    """The shell round a stage: its sockets, its loop, its beat, its clean end."""

    def __init__(self, name: str, settings: WorkerSettings, stop: Stop) -> None:
        self.name, self.index, self._stop = name, process_index(), stop
        stop.extend(settings.drain_timeout)
        counts = parse_fanout(settings.fanout)
        if self.index >= counts[name]:
            raise StartupError(
                f"this is process {self.index + 1} of {name}, but DALSTON_FANOUT says {counts[name]}"
            )
        folder = make_private_dir(settings.sockets)
        self._lock = lock(folder / f"{name}.{self.index + 1}.lock")
        self.metrics: StageMetrics = open_metrics(folder / "metrics")
        position = STAGES.index(name)
        self._writers = counts[STAGES[position - 1]] if position else 1
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.inbox = Inbox(self._context, address(folder, name, self.index))
        self.outlet = self._outlet(folder, counts, position)
        self._receiver = address(folder, "control", 0)
        self._gathering = Gathering()
        self._ended: set[str] = set()

    def _outlet(self, folder: Path, counts: dict[str, int], position: int) -> Outlet:
        if position + 1 == len(STAGES):
            return Outlet(self._context, [address(folder, "receiver", 0)], only)
        after = STAGES[position + 1]
        where = [address(folder, after, i) for i in range(counts[after])]
        return Outlet(self._context, where, by_route(position + 1))

    def run(self, stage: Stage, beat: Callable[[Alive], Alive] = lambda alive: alive) -> None:
        """Serve until every writer has said that its stream has ended.

        `beat` may add to what the receiver hears every second; it is called in another thread.
        """
        beats = Beats(self._context, self._receiver, lambda: beat(self._alive()))
        beats.start()
        log.info("ready")
        while len(self._ended) < self._writers:
            beats.turn()
            self._take(stage)
            self.outlet.flush()
            if stage.busy:
                self._send(stage.work(time.monotonic_ns()))
                self.outlet.flush()
        while stage.busy:
            self._send(stage.work(time.monotonic_ns()))
        self.outlet.send_to_all(EndOfStream(f"{self.name}.{self.index + 1}"))
        beats.end()
        self._close()

    def _take(self, stage: Stage) -> None:
        if self._gathering.wait_s and not stage.busy:
            time.sleep(self._gathering.wait_s)
        packets = self.inbox.take(_longest_wait_ms(stage))
        self._gathering.took(len(packets), time.monotonic())
        self.metrics.queued(self.name, len(packets))
        for message, payload in packets:
            if isinstance(message, EndOfStream):
                self._ended.add(message.source)
            else:
                self._send(stage.handle(message, payload, time.monotonic_ns()))

    def _send(self, packets: Iterable[Packet]) -> None:
        for message, payload in packets:
            self.outlet.put(message, payload)
            if self.outlet.is_full(message):
                self.outlet.flush()

    def _alive(self) -> Alive:
        self.metrics.dropped(self.name, self.inbox)
        return Alive(self.name, self.index)

    def _close(self) -> None:
        self.inbox.close()
        self.outlet.close()
        self._context.term()
        self._lock.close()


def lock(path: Path) -> IO[str]:
    """Hold `path` while this process lives: a second process of that name would take its socket.

    Raises:
        StartupError: another process holds it.
    """
    handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
    except OSError:
        handle.close()
        raise StartupError(
            f"{path.stem} runs already in {path.parent}; set another DALSTON_RUN_DIR for a second worker"
        ) from None
    return handle
