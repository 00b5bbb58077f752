"""Sends messages into the VAD stage and receives what the senders say, on asyncio.

The stages form a ring with the receiver, so the two sides do not wait for each other: a ring whose writer
waits for its reader locks up when it is full.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import zmq

from runtime.gpu import GpuMemory
from runtime.logs import get_logger
from stages.channels import Inbox, Outlet, address, by_route
from stages.coalescing import Coalescing
from stages.messages import Alive, EndOfStream, Message, ProcessStarted
from stages.receiver.heartbeat_watch import HeartbeatWatch
from stages.receiver.process_watch import ProcessWatch
from stages.topology import STAGES, FanOut

log = get_logger(__name__)

RETRY_S: Final = 0.005  # Seconds between two tries to write into a full queue, a fraction of an audio chunk.


class StagePipeline:
    """Sends to the VAD processes, and reads what the senders say."""

    def __init__(self, folder: Path, counts: FanOut) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._counts = counts
        where = [address(folder, STAGES[0], i) for i in range(counts[STAGES[0]])]
        self._outlet = Outlet(self._context, where, by_route(0))
        self.inbox = Inbox(self._context, address(folder, "receiver", 0))
        self._control = Inbox(self._context, address(folder, "control", 0))
        names = [_name(stage, index) for stage in STAGES for index in range(counts[stage])]
        self._heartbeats = HeartbeatWatch(names)
        self._watch = ProcessWatch(folder, self._on_death)
        self.died = asyncio.Event()  # a process ended: `missing` has to be asked
        self._asr: dict[int, Alive] = {}  # the last heartbeat of each ASR process
        self._coalescing = Coalescing()
        self._flush_due: asyncio.Handle | None = None  # when what was appended leaves
        self._ended: set[str] = set()
        self.drained = asyncio.Event()

    def start(self, on_result: Callable[[Message, bytes], None]) -> None:
        """Begin to receive, on the running loop; `on_result` gets what the senders say and must not wait."""

        def handle(message: Message, payload: bytes) -> None:
            if isinstance(message, EndOfStream):
                self._on_end_of_stream(message.source)
            else:
                on_result(message, payload)

        for inbox, handler in ((self.inbox, handle), (self._control, self._handle_alive)):
            asyncio.get_running_loop().add_reader(inbox.fileno, self._drain, inbox, handler)
            self._drain(inbox, handler)
        self._outlet.send_to_all(ProcessStarted("receiver", 0))

    async def send(self, message: Message, payload: bytes = b"") -> None:
        """Hand a message to the session's VAD process; waits while its queue is full."""
        self._outlet.append(message, payload)
        self._coalescing.count_messages(1, time.monotonic())
        if not self._flush_due:
            self._flush_after(self._coalescing.wait_s)
        while self._outlet.is_full(message):
            if not self._outlet.flush(block=False):
                await asyncio.sleep(RETRY_S)

    def offer(self, message: Message) -> None:
        """Send what the VAD process can do without: it never waits, and is lost where the queue is full."""
        with suppress(zmq.Again):
            self._outlet.send(message, flags=zmq.NOBLOCK)

    def _flush_after(self, seconds: float) -> None:
        """Send what is appended until then in one go; 0: with what else is ready in this turn of the loop."""
        loop = asyncio.get_running_loop()
        self._flush_due = (
            loop.call_later(seconds, self._flush_outlet) if seconds else loop.call_soon(self._flush_outlet)
        )

    def _flush_outlet(self) -> None:
        self._flush_due = None
        if not self._outlet.flush(block=False):
            self._flush_after(RETRY_S)

    def missing(self) -> list[str]:
        """The stage processes without a heartbeat, such as `vad.2`; none means that the worker is whole."""
        return self._heartbeats.missing()

    def look_for_silent(self) -> None:
        """Count how long each process has been silent, once what it has sent is read."""
        self._drain(self._control, self._handle_alive)
        self._heartbeats.look()

    @property
    def models(self) -> str:
        """The models of the worker as its ASR processes say, which all have the same: JSON."""
        return next((alive.models for alive in self._asr.values()), "[]")

    def pass_age(self, index: int | None = None) -> float:
        """Seconds of the oldest forward pass in progress at its heartbeat, of all ASR processes or of one."""
        alives = self._asr.values() if index is None else filter(None, [self._asr.get(index)])
        return max((alive.pass_ms for alive in alives), default=0) / 1_000

    @property
    def gpu_memory(self) -> GpuMemory | None:
        """What all devices of the ASR processes have in use, each counted once; None without a GPU."""
        alives = {alive.device or str(index): alive for index, alive in self._asr.items()}.values()
        total = sum(alive.gpu_total for alive in alives)
        return GpuMemory(sum(alive.gpu_used for alive in alives), total) if total else None

    @property
    def devices(self) -> tuple[str, ...]:
        """The device of each ASR process: the UUID of a GPU, or `cpu`."""
        return tuple(alive.device for _, alive in sorted(self._asr.items()))

    def send_end_of_stream(self) -> None:
        """Say that no more messages come; `drained` is set when all senders have said so in turn."""
        self._outlet.send_to_all(EndOfStream("receiver"))

    def close(self) -> None:
        """Close the sockets."""
        loop = asyncio.get_running_loop()
        if self._flush_due:
            self._flush_due.cancel()
        for inbox in (self.inbox, self._control):
            loop.remove_reader(inbox.fileno)
            inbox.close()
        self._watch.close()
        self._outlet.close()
        self._context.term()

    def _drain(self, inbox: Inbox, handle: Callable[[Message, bytes], None]) -> None:
        """Receive all that waits: libzmq signals its descriptor only when an empty queue fills."""
        while packets := inbox.receive(0):
            for message, payload in packets:
                handle(message, payload)

    def _on_end_of_stream(self, sender: str) -> None:
        self._ended.add(sender)
        if len(self._ended) == self._counts[STAGES[-1]]:
            self.drained.set()

    def _handle_alive(self, message: Message, _payload: bytes) -> None:
        if isinstance(message, Alive):
            self._heartbeats.on_heartbeat(_name(message.stage, message.index))
            self._watch.watch_process(message.stage, message.index)
            if message.stage == "asr":
                self._asr[message.index] = message

    def _on_death(self, stage: str, index: int) -> None:
        log.warning("a stage process is gone", stage_process=_name(stage, index))
        self._heartbeats.on_death(_name(stage, index))
        self.died.set()


def _name(stage: str, index: int) -> str:
    return f"{stage}.{index + 1}"
