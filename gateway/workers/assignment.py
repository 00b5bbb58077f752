"""Finds a worker with a free slot for a session: at first, and again each time one is lost."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from broker.errors import NoCapacity, RegistryUnavailable, SessionOver
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.announcements import WorkerLost
from gateway.capacity.slot_queue import OnQueued
from gateway.capacity.slots import SlotManager
from gateway.capacity.waiting_memory import WaitingMemory
from gateway.metrics import GatewayMetrics
from gateway.workers.connection import WorkerConnection, WorkerUnreachable
from gateway.workers.liveness import LivenessLimits
from runtime.logs import get_logger
from runtime.worker_link import VERSION, OpenSession, ResumePoint

if TYPE_CHECKING:
    from gateway.traces import SessionTraces  # Only with the extra `traces`.

log = get_logger(__name__)

OpenConnection = Callable[[Allocation, OpenSession], Awaitable[WorkerConnection]]


@dataclass(frozen=True, slots=True)
class ReassignLimits:
    """How long another worker is looked for, in seconds.

    - total: where live workers have the model, but none takes the session.
    - window: where none has it, as while the only one is started again and loads its model.
    - retry: between two tries.
    """

    total: float = 8.0
    window: float = 30.0
    retry: float = 0.2


class ReassignDeadline:
    """When to look no longer for a worker: so long after the last moment at which none had the model."""

    def __init__(self, limits: ReassignLimits, now: float) -> None:
        self._limits, self._latest = limits, now + max(limits.total, limits.window)
        self.until = now + limits.total

    def on_unserved(self, now: float) -> None:
        """No live worker has the model at the moment, or nobody can say."""
        self.until = min(self._latest, now + self._limits.total)


@dataclass(frozen=True, slots=True)
class WorkerAccess:
    """What the sessions of a gateway share to get workers.

    `open` connects to a worker. `new_suffix` makes the names of a session's connections
    differ. `clock` counts seconds. `unreachable` has the ids of workers that are known not to be reached.
    Where sessions have `traces`, workers say of each result where its time went.
    `waiting` is what sessions may keep until they have one.
    """

    slots: SlotManager
    worker_lost: WorkerLost
    open: OpenConnection
    metrics: GatewayMetrics
    liveness: LivenessLimits = field(default_factory=LivenessLimits)
    reassign: ReassignLimits = field(default_factory=ReassignLimits)
    new_suffix: Callable[[], str] = lambda: secrets.token_hex(2)
    clock: Callable[[], float] = time.monotonic
    unreachable: Callable[[], Collection[str]] = tuple
    traces: "SessionTraces | None" = None
    waiting: WaitingMemory = field(default_factory=WaitingMemory)


class WorkerAssignment:
    """Where a session is served: `worker_id`, and whether it got less than it asked for."""

    def __init__(self, access: WorkerAccess, session_id: str, requested: SessionConfig) -> None:
        self.worker_id = "none"
        self.degraded = False
        self._access, self._id, self._requested = access, session_id, requested

    async def assign(self, config: SessionConfig, on_queued: OnQueued) -> WorkerConnection:
        """A connection to a worker with a free slot; if the first can't be reached, to another.

        Raises:
            NoCapacity: there is no slot.
            WorkerUnreachable: two workers can't be reached.
            RegistryUnavailable: Redis is away.
        """
        started = self._access.clock()
        slot = await self._allocate((), on_queued)
        try:
            connection = await self._open(slot, "", config, None)
        except WorkerUnreachable as error:
            log.warning("trying another worker: %s", error)
            try:
                slot = await self._allocate((slot.worker_id, *self._access.unreachable()), on_queued)
            except NoCapacity:  # There is a slot, but no way to it.
                raise error from None
            connection = await self._open(slot, "", config, None)
        self._access.metrics.routing.observe(self._access.clock() - started)
        return connection

    async def reassign(
        self, config: SessionConfig, resume: ResumePoint, *, had_worker: bool
    ) -> WorkerConnection | None:
        """A connection to another worker, or to the same one if it comes back first; None in the end.

        `had_worker` is whether this gateway had one before. `resume` says where to go on.
        """
        avoid: tuple[str, ...] = (self.worker_id,) if had_worker else ()
        clock = asyncio.get_running_loop().time
        deadline = ReassignDeadline(self._access.reassign, clock())
        while clock() < deadline.until:
            try:
                slot = await self._allocate_again(avoid, deadline)
                avoid = (slot.worker_id,)
                # A name of its own: the connection that was lost may be half-open there.
                return await self._open(slot, self._access.new_suffix(), config, resume)
            except NoCapacity as error:
                avoid = ()
                if not error.is_served:
                    deadline.on_unserved(clock())
            except SessionOver as error:
                log.warning("no other worker is asked", why=str(error))
                return None
            except RegistryUnavailable:
                deadline.on_unserved(clock())
            except (WorkerUnreachable, TimeoutError) as error:
                log.debug("no worker yet: %s", error)
            await asyncio.sleep(self._access.reassign.retry)
        return None

    async def _allocate(self, avoid: tuple[str, ...], on_queued: OnQueued) -> Allocation:
        return await self._access.slots.allocate(self._id, self._requested, avoid, on_queued=on_queued)

    async def _allocate_again(self, avoid: tuple[str, ...], deadline: ReassignDeadline) -> Allocation:
        """A slot for a session that runs.

        Raises:
            TimeoutError: it waits for one, and the time is over.
        """
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout_at(deadline.until) as wait:

            def on_unserved() -> None:
                deadline.on_unserved(clock())
                wait.reschedule(deadline.until)

            return await self._access.slots.allocate(
                self._id, self._requested, avoid, running=True, on_unserved=on_unserved
            )

    async def _open(
        self, slot: Allocation, link_id: str, config: SessionConfig, resume: ResumePoint | None
    ) -> WorkerConnection:
        request = OpenSession(
            version=VERSION,
            session_id=self._id,
            link_id=link_id,
            config=config_for(slot, config, traced=self._access.traces is not None),
            degraded=slot.degraded,
            resume=resume,
        )
        connection = await self._access.open(slot, request)
        before, self.worker_id, self.degraded = self.worker_id, slot.worker_id, slot.degraded
        log.info("assigned", worker=slot.worker_id, model=slot.model, before=before)
        return connection


def config_for(slot: Allocation, config: SessionConfig, *, traced: bool) -> SessionConfig:
    """What the worker is to do: the model that the slot is for, if it is less than was asked for."""
    timing = config.timing or traced
    # The worker has nothing to do with these.
    config = replace(config, overflow=None, store=None, enhance_on_end=False, metadata=None, timing=timing)
    return replace(config, model=slot.model) if slot.degraded else config
