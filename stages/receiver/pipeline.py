"""The receiver's end of the stage ring, on asyncio: messages into the VAD stage, frames back out.

The two sides do not wait for each other: a ring whose writer waits for its reader locks up when full.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
import zmq

from runtime.gpu import GpuMemory
from stages.channels import Inbox, Outlet, address, by_route
from stages.coalescing import Coalescing
from stages.messages import Alive, EndOfStream, Message
from stages.receiver.process_watch import ProcessWatch
from stages.topology import STAGES, FanOut

log = structlog.stdlib.get_logger(__name__)

RETRY_S: Final = 0.005  # between two tries to write into a full queue
SILENT_S: Final = 3.0  # a stage process that has not beaten for so long is gone


class StagePipeline:
    """Sends to the VAD processes, and reads what the senders say."""

    def __init__(self, folder: Path, counts: FanOut) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._counts = counts
        where = [address(folder, STAGES[0], i) for i in range(counts[STAGES[0]])]
        self._outlet = Outlet(self._context, where, by_route(0))
        self.inbox = Inbox(self._context, address(folder, "receiver", 0))
        self._control = Inbox(self._context, address(folder, "control", 0))
        self._beats: dict[tuple[str, int], float] = {}
        self._guard = ProcessWatch(folder, self._died)
        self.died = asyncio.Event()  # a process ended: `missing` has to be asked
        self._asr: dict[int, Alive] = {}  # the last beat of each ASR process
        self._gathering = Coalescing()
        self._leaving: asyncio.Handle | None = None  # the turn in which what was put leaves
        self._ended: set[str] = set()
        self.drained = asyncio.Event()

    def start(self, deliver: Callable[[Message, bytes], None]) -> None:
        """Begin to read, on the running loop; `deliver` gets what the senders say and must not wait."""

        def take(message: Message, payload: bytes) -> None:
            if isinstance(message, EndOfStream):
                self._end_of(message.source)
            else:
                deliver(message, payload)

        for inbox, handle in ((self.inbox, take), (self._control, self._hear)):
            asyncio.get_running_loop().add_reader(inbox.fileno, self._drain, inbox, handle)
            self._drain(inbox, handle)

    async def send(self, message: Message, payload: bytes = b"") -> None:
        """Hand a message to the session's VAD process; waits while its queue is full."""
        self._outlet.put(message, payload)
        self._gathering.took(1, time.monotonic())
        if not self._leaving:
            self._leave_after(self._gathering.wait_s)
        while self._outlet.is_full(message):
            if not self._outlet.flush(block=False):
                await asyncio.sleep(RETRY_S)

    def offer(self, message: Message) -> None:
        """Send what the VAD process can do without: never waits, lost where its queue is full."""
        with suppress(zmq.Again):
            self._outlet.send(message, flags=zmq.NOBLOCK)

    def _leave_after(self, seconds: float) -> None:
        """What is put by then leaves together; 0: with what else is ready in this turn of the loop."""
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(seconds, self._leave) if seconds else loop.call_soon(self._leave)

    def _leave(self) -> None:
        self._leaving = None
        if not self._outlet.flush(block=False):
            self._leave_after(RETRY_S)

    def missing(self) -> list[str]:
        """The stage processes that do not beat, such as `vad.2`; none means that the worker is whole."""
        limit = time.monotonic() - SILENT_S
        return [
            f"{stage}.{index + 1}"
            for stage in STAGES
            for index in range(self._counts[stage])
            if self._beats.get((stage, index), 0.0) < limit
        ]

    @property
    def models(self) -> str:
        """The models of the worker as its ASR processes say, which all have the same: JSON."""
        return next((beat.models for beat in self._asr.values()), "[]")

    @property
    def gpu_memory(self) -> GpuMemory | None:
        """What the devices of all ASR processes have in use together; None without a GPU."""
        beats = self._asr.values()
        total = sum(beat.gpu_total for beat in beats)
        return GpuMemory(sum(beat.gpu_used for beat in beats), total) if total else None

    def capacity(self, places: int) -> int:
        """Sessions that all ASR processes hold, where each is configured for `places`."""
        beats = (self._asr.get(i) for i in range(self._counts["asr"]))
        return sum(min(places, beat.places) if beat and beat.places else places for beat in beats)

    def end(self) -> None:
        """Say that no more messages come; `drained` is set when all senders have said so in turn."""
        self._outlet.send_to_all(EndOfStream("receiver"))

    def close(self) -> None:
        """Close the sockets."""
        loop = asyncio.get_running_loop()
        if self._leaving:
            self._leaving.cancel()
        for inbox in (self.inbox, self._control):
            loop.remove_reader(inbox.fileno)
            inbox.close()
        self._guard.close()
        self._outlet.close()
        self._context.term()

    def _drain(self, inbox: Inbox, handle: Callable[[Message, bytes], None]) -> None:
        """Take all that waits: libzmq signals its descriptor only when an empty queue fills."""
        while packets := inbox.take(0):
            for message, payload in packets:
                handle(message, payload)

    def _end_of(self, sender: str) -> None:
        self._ended.add(sender)
        if len(self._ended) == self._counts[STAGES[-1]]:
            self.drained.set()

    def _hear(self, message: Message, _payload: bytes) -> None:
        if isinstance(message, Alive):
            self._beats[message.stage, message.index] = time.monotonic()
            self._guard.watch(message.stage, message.index)
            if message.stage == "asr":
                self._asr[message.index] = message

    def _died(self, stage: str, index: int) -> None:
        log.warning("%s.%d is gone", stage, index + 1)
        self._beats.pop((stage, index), None)
        self.died.set()
