"""Feeds a session's audio and commands to its worker, no faster than the worker deals with them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from gateway.capacity.waiting_memory import WaitingMemory, WaitingShare
from gateway.sessions.continuity.session_continuity import SessionContinuity
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from gateway.sessions.replay.replay_entries import AudioSegment, Entry
from gateway.workers.connection import WorkerConnection


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """How much may wait for a worker; the client is not read while more does.

    - in_flight: seconds of audio that a worker has got and not dealt with.
    - unsent: seconds of audio that no worker has got.
    - unsent_at_first: the same while no worker is connected: before the first one, and while a lost one is
      started again. We keep reading for long, so that a disconnect is seen.
    - unsent_frames: audio frames of whatever size that no worker has got: 60 s in frames of 10 ms.
    - unsent_controls: text frames that no worker has got.
    - open_flushes: flushes that are sent and not answered.
    - in_flight_bytes, unsent_bytes: the same as in seconds; 192 kHz in eight channels is 6 MB a second. Both
      together are less than the replay buffer keeps.
    """

    in_flight: float = 15.0
    unsent: float = 10.0
    unsent_at_first: float = 50.0
    unsent_frames: int = 6_000
    unsent_controls: int = 100
    open_flushes: int = 200
    in_flight_bytes: int = 12 << 20
    unsent_bytes: int = 8 << 20

    def at_rate(self, byte_rate: int) -> "FeedLimits":
        """The limits in seconds for audio of so many bytes a second."""
        unsent = self.unsent_bytes / byte_rate
        return replace(
            self,
            in_flight=min(self.in_flight, self.in_flight_bytes / byte_rate),
            unsent=min(self.unsent, unsent),
            unsent_at_first=min(self.unsent_at_first, unsent),
        )


class AudioFeeder:
    """Feeds one worker after the other from the replay buffer."""

    def __init__(
        self, buffer: ReplayBuffer, continuity: SessionContinuity, limits: FeedLimits | None = None
    ) -> None:
        self._buffer, self._entries, self._continuity = buffer, buffer.entries, continuity
        self._limits = (limits or FeedLimits()).at_rate(buffer.rate * buffer.frame_bytes)
        self._cursor = buffer.entries.first()
        self._max_unsent = self._limits.unsent_at_first
        self._changed = asyncio.Event()
        self._idle: WorkerConnection | None = None  # A worker that has got all there is.
        self._share: WaitingShare | None = None  # While the session waits for its first worker.

    def wait_for_worker(self, memory: WaitingMemory) -> None:
        """Count what comes from now on in `memory`, until a worker is there."""
        self._share = memory.open_share(self.wake)

    def close(self) -> None:
        """Nobody waits for a worker any more."""
        if self._share is not None:
            self._share.close()
            self._share = None
            self.wake()

    def wake(self) -> None:
        """Look again: something came, was sent, or was dealt with."""
        self._changed.set()

    def rewind(self) -> None:
        """Begin again with the first entry that the buffer keeps; the next worker may be long in coming."""
        self._cursor = self._entries.first()
        self._max_unsent = self._limits.unsent_at_first
        self.wake()

    async def feed_audio(self, data: bytes) -> float:
        """Add a client's audio, once not too much waits; the seconds of older audio that were lost."""
        lost, step = 0.0, self._buffer.segment_bytes
        for at in range(0, len(data), step):
            await self._until(self._has_room)
            lost += self._buffer.store_audio(data[at : at + step])
            self._count(min(step, len(data) - at))
            self._forward()
        return lost

    async def feed_control(self, add: Callable[[], None], size: int = 0) -> None:
        """Have `add` append a client's message of `size` bytes to the buffer, once not too many wait."""
        await self._until(self._may_control)
        add()
        self._count(size)
        self._forward()

    async def run(self, worker: WorkerConnection) -> None:
        """Feed a worker until it has closed.

        Raises:
            SessionError: it takes no audio.
        """
        self._max_unsent = self._limits.unsent
        self.close()
        while True:
            await self._until_more(worker)
            entry = self._entries.get(self._cursor)
            if entry is not None:
                await self._until(partial(self._is_due, entry))
                if not await worker.send(_frame(entry)):
                    return
            self._advance()
            self.wake()

    def _advance(self) -> None:
        self._entries.mark_sent(self._cursor)
        self._cursor += 1

    def _count(self, size: int) -> None:
        if self._share is not None:
            self._share.count(size)

    def _has_room(self) -> bool:
        if self._share is not None and not self._share.has_room:
            return False
        frames = self._entries.next - self._cursor
        waits_little = self._buffer.unsent_seconds(self._cursor) <= self._max_unsent
        return frames < self._limits.unsent_frames and waits_little

    def _may_control(self) -> bool:
        if self._share is not None and not self._share.has_room:
            return False
        entries, limits = self._entries, self._limits
        return entries.open_flushes < limits.open_flushes and entries.unsent_controls < limits.unsent_controls

    async def _until_more(self, worker: WorkerConnection) -> None:
        self._idle = worker
        try:
            await self._until(lambda: self._cursor < self._entries.next)
        finally:
            self._idle = None

    def _forward(self) -> None:
        """Send what has just come, or wake `run` for it: a task less to switch to for each frame."""
        entry, worker = self._entries.get(self._cursor), self._idle
        alone = self._cursor + 1 == self._entries.next
        if worker and entry and alone and self._is_due(entry) and worker.send_at_once(_frame(entry)):
            self._advance()
        else:
            self.wake()

    def _is_due(self, entry: Entry) -> bool:
        """Whether the worker has dealt with enough of what came before."""
        at = entry.start / self._buffer.rate if isinstance(entry, AudioSegment) else 0.0
        return self._continuity.state.processed >= at - self._limits.in_flight

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


def _frame(entry: Entry) -> bytes | str:
    return entry.data if isinstance(entry, AudioSegment) else entry.text
