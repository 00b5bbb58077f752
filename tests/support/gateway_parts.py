"""Makes the parts of a gateway whose surroundings are played by hand: slots, workers and Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

from websockets.frames import Close

from broker.checkpoints import CheckpointChange, Checkpoints, SaveResult
from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.announcements import WorkerLost
from gateway.capacity.slots import SlotManager
from gateway.capacity.waiting_memory import WaitingMemory
from gateway.metrics import GatewayMetrics
from gateway.sessions.checkpoint_store import CheckpointStore, Owner
from gateway.sessions.session import SessionPolicy
from gateway.sessions.session_manager import SessionManager
from gateway.workers.assignment import OpenConnection, WorkerAccess
from gateway.workers.connection import WorkerConnection, WorkerFrame, WorkerUnreachable
from runtime.worker_link import OpenSession, WorkerMessage, decode_worker_message, encode

SLOT = Allocation("w1", "ws://nowhere", "tiny")


class FakeSlots:
    """Slots whose next answers are set by hand; after the last one there is none."""

    def __init__(self, *answers: Allocation | Exception) -> None:
        self.answers = list(answers)
        self.avoided: list[tuple[str, ...]] = []
        self.released: list[str] = []
        self.handed_over: list[float] = []

    async def allocate(
        self, _session: str, _config: SessionConfig, avoid: tuple[str, ...], **_more: Any
    ) -> Allocation:
        """The next answer."""
        self.avoided.append(avoid)
        answer = self.answers.pop(0) if self.answers else NoCapacity("all slots are taken", 1.0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self, _session: str, status: str, _audio: float) -> "asyncio.Future[None]":
        """Note it; Redis has it at once."""
        self.released.append(status)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def hand_over(self, _session: str, seconds: float) -> None:
        """Note it."""
        self.handed_over.append(seconds)


class MemoryWorker:
    """A worker's end of a connection, without a socket: what it got, and what it says."""

    def __init__(self) -> None:
        self.latency: float | None = None
        self.closed: Close | None = None
        self.request: OpenSession
        self.received: list[bytes | str] = []
        self.arrived = asyncio.Event()
        self._frames: asyncio.Queue[WorkerFrame | None] = asyncio.Queue()

    def say(self, *messages: WorkerMessage) -> None:
        """Say something to the gateway."""
        for message in messages:
            text = encode(message)
            self._frames.put_nowait(WorkerFrame(decode_worker_message(text), len(text)))

    def leave(self, code: int | None = None) -> None:
        """Close with a code, or be lost."""
        self.closed = None if code is None else Close(code, "")
        self._frames.put_nowait(None)

    async def until_received(self, count: int) -> None:
        """Wait until so many frames have come."""
        while len(self.received) < count:
            self.arrived.clear()
            await self.arrived.wait()

    def send_at_once(self, frame: bytes | str) -> bool:
        """Take a frame."""
        self.received.append(frame)
        self.arrived.set()
        return True

    async def send(self, frame: bytes | str) -> bool:
        """Take a frame."""
        return self.send_at_once(frame)

    async def frames(self) -> AsyncIterator[WorkerFrame]:
        """What was said."""
        while (frame := await self._frames.get()) is not None:
            yield frame

    def abort(self) -> None:
        """The gateway has given it up."""

    async def close(self, _code: int) -> None:
        """The gateway is done with it."""


class MemoryCheckpoints:
    """The checkpoints of all gateways, without Redis."""

    def __init__(self, stored: Mapping[str, dict[str, bytes]] | None = None) -> None:
        self.available = True
        self.stored: dict[str, dict[str, bytes]] = dict(stored or {})
        self.calls: list[list[CheckpointChange]] = []

    async def save(self, owner: str, changes: Sequence[CheckpointChange]) -> list[SaveResult]:
        """Save them."""
        self.calls.append(list(changes))
        return [self._save(owner, change) for change in changes]

    def _save(self, owner: str, change: CheckpointChange) -> SaveResult:
        fields = self.stored.get(change.session_id)
        if fields is not None and fields["owner"] != owner.encode():
            return SaveResult.TAKEN
        if change.complete:
            fields = self.stored[change.session_id] = {"owner": owner.encode()}
        if fields is None:
            return SaveResult.UNKNOWN
        fields |= change.fields
        for name in change.removed:
            fields.pop(name, None)
        if change.gives_up:
            fields["owner"] = b""
        return SaveResult.SAVED

    async def load(self, session_id: str) -> dict[str, bytes]:
        """What is stored."""
        return dict(self.stored.get(session_id, {}))

    async def claim(self, session_id: str, from_owner: str, to_owner: str) -> bool:
        """Change the owner."""
        fields = self.stored.get(session_id)
        if fields is None or fields["owner"] != from_owner.encode():
            return False
        fields["owner"] = to_owner.encode()
        return True

    async def delete(self, session_id: str, _owner: str) -> None:
        """Delete it."""
        self.stored.pop(session_id, None)

    async def close(self) -> None:
        """Nothing to close."""


async def unreachable(slot: Allocation, _request: OpenSession) -> WorkerConnection:
    """What opening a connection to a worker that is not there does."""
    raise WorkerUnreachable(f"worker {slot.worker_id} is not there")


def opening(*workers: MemoryWorker) -> OpenConnection:
    """Opens connections to these workers, one after the other."""
    left = list(workers)

    async def open_next(_slot: Allocation, request: OpenSession) -> WorkerConnection:
        if not left:
            raise RegistryUnavailable("no worker is left")
        worker = left.pop(0)
        worker.request = request
        return cast(WorkerConnection, worker)

    return open_next


def checkpoint_store(checkpoints: MemoryCheckpoints | None = None, owner: str = "me") -> CheckpointStore:
    """A store without Redis."""
    return CheckpointStore(cast(Checkpoints, checkpoints or MemoryCheckpoints()), Owner(owner))


def session_manager(
    slots: FakeSlots,
    open_connection: OpenConnection = unreachable,
    metrics: GatewayMetrics | None = None,
    store: CheckpointStore | None = None,
    limits: SessionPolicy | None = None,
    waiting: WaitingMemory | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> SessionManager:
    """The sessions of a gateway."""
    access = WorkerAccess(
        cast(SlotManager, slots),
        WorkerLost(),
        open_connection,
        metrics or GatewayMetrics(),
        clock=clock,
        waiting=waiting or WaitingMemory(),
    )
    return SessionManager(access, store or checkpoint_store(), limits)
