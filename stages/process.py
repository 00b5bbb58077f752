"""Runs a stage as a process: its sockets, its loop, its heartbeat and its clean end."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

import zmq

from runtime.errors import StartupError
from runtime.logs import get_logger
from runtime.private_files import make_private_dir
from runtime.process import Stop, lock
from stages.channels import Inbox, Outlet, Packet, address, by_route, only
from stages.coalescing import Coalescing
from stages.heartbeat import Heartbeat
from stages.messages import Alive, EndOfStream, Message, ProcessStarted
from stages.metrics import StageMetrics, open_metrics
from stages.open_sessions import OpenSessions
from stages.settings import WorkerSettings
from stages.topology import STAGES, FanOut

log = get_logger(__name__)

IDLE_MS: Final = 250  # Milliseconds of the longest wait for a message: how late an error may be noticed.
PATIENT_MS: Final = 5  # Milliseconds of the wait for a message that was sent together with another.


def process_index(environ: dict[str, str] | None = None) -> int:
    """Which process of its stage this is, from 0; honcho says `vad.2` in HONCHO_PROCESS_NAME."""
    name = (environ or dict(os.environ)).get("HONCHO_PROCESS_NAME", "")
    number = name.rpartition(".")[2]
    return int(number) - 1 if number.isdigit() and int(number) > 0 else 0


class Stage(Protocol):
    """One stage as pure logic: it takes messages and returns messages, without sockets and clocks."""

    def handle(self, message: Message, payload: bytes, now: int) -> Iterable[Packet]:
        """Handle one message that came at `now` (CLOCK_MONOTONIC, ns)."""
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
    """The shell round a stage: its sockets, its loop, its heartbeat, its clean end."""

    def __init__(self, name: str, settings: WorkerSettings, stop: Stop) -> None:
        self.name, self.index, self._stop = name, process_index(), stop
        stop.extend(settings.drain_timeout)
        counts = settings.fanout
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
        self._coalescing = Coalescing()
        self._ended: set[str] = set()
        self._open_sessions = OpenSessions()

    def _outlet(self, folder: Path, counts: FanOut, position: int) -> Outlet:
        if position + 1 == len(STAGES):
            return Outlet(self._context, [address(folder, "receiver", 0)], only)
        after = STAGES[position + 1]
        where = [address(folder, after, i) for i in range(counts[after])]
        return Outlet(self._context, where, by_route(position + 1))

    def run(self, stage: Stage, complete: Callable[[Alive], Alive] = lambda alive: alive) -> None:
        """Serve until every writer has said that its stream has ended.

        `complete` may add to what the receiver hears in each heartbeat; it is called in another thread.
        """
        heartbeat = Heartbeat(self._context, self._receiver, lambda: complete(self._alive()))
        self.outlet.send_to_all(ProcessStarted(self.name, self.index))
        heartbeat.start()
        log.info("ready")
        while len(self._ended) < self._writers:
            heartbeat.on_turn()
            self._handle_messages(stage)
            self.outlet.flush()
            if stage.busy:
                self._append(stage.work(time.monotonic_ns()))
                self.outlet.flush()
        while stage.busy:
            self._append(stage.work(time.monotonic_ns()))
        self.outlet.send_to_all(EndOfStream(f"{self.name}.{self.index + 1}"))
        heartbeat.stop()
        self._close()

    def _handle_messages(self, stage: Stage) -> None:
        if self._coalescing.wait_s and not stage.busy:
            time.sleep(self._coalescing.wait_s)
        packets = self.inbox.receive(_longest_wait_ms(stage))
        self._coalescing.count_messages(len(packets), time.monotonic())
        self.metrics.queued(self.name, len(packets))
        for message, payload in packets:
            if isinstance(message, EndOfStream):
                self._ended.add(message.source)
            elif isinstance(message, ProcessStarted):
                self._end_lost(stage, message)
            else:
                self._open_sessions.follow(message)
                self._append(stage.handle(message, payload, time.monotonic_ns()))

    def _end_lost(self, stage: Stage, started: ProcessStarted) -> None:
        """End the sessions that a process before this one has lost, here and in the stages behind."""
        now = time.monotonic_ns()
        for close in self._open_sessions.lost_with(started, now):
            log.warning("a session was lost on its way here", session=close.session)
            self._append(stage.handle(close, b"", now))

    def _append(self, packets: Iterable[Packet]) -> None:
        for message, payload in packets:
            self.outlet.append(message, payload)
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
