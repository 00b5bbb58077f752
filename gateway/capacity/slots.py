"""Allocates slots on workers to sessions: at once, after a wait, or for less than was asked for."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation, EndStatus, QueuePosition, SlotRequest
from broker.router import SessionRouter
from dalston_realtime.protocol.parameters import Overflow, SessionConfig
from gateway.capacity.leases import Leases
from gateway.capacity.releases import Releases
from gateway.capacity.slot_queue import OnQueued, OnUnserved, SlotQueue, WaitingSession
from gateway.metrics import GatewayMetrics


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Seconds that a session waits for a slot; between two calls by which it says that it still waits; and by
    which the expected wait must change to be told: less is an estimate that wavers."""

    total: float = 30.0
    ask: float = 1.0
    change: float = 1.0


class SlotManager:
    """All slots of one gateway: allocated, held under a lease, and released for certain."""

    def __init__(
        self,
        router: SessionRouter,
        metrics: GatewayMetrics,
        overflow: Overflow,
        limits: QueueLimits | None = None,
    ) -> None:
        self._router, self._metrics = router, metrics
        self._overflow, self._limits = overflow, limits or QueueLimits()
        self.queue = SlotQueue(router, self._limits.ask)
        self._leases = Leases(router)
        self._releases = Releases(router, metrics)
        self._leaving: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()  # Sessions that certainly never had a slot.

    async def allocate(
        self,
        session_id: str,
        config: SessionConfig,
        avoid: Collection[str] = (),
        *,
        running: bool = False,
        on_queued: OnQueued | None = None,
        on_unserved: OnUnserved | None = None,
    ) -> Allocation:
        """A slot by the overflow strategy, held from now on until `release` or `hand_over`.

        A session that waits is told its position and the seconds until its turn (None: not known) by
        `on_queued`, at first and on every change of either. One that is `running` already, and lost its
        worker, goes ahead of newcomers. While it waits, `on_unserved` is called whenever no live worker has
        its model, or nobody can say. Asking again moves the session away from the workers in `avoid`.

        Raises:
            NoCapacity: there is no slot, or none came free in time.
            SessionOver: the session's slot has been released.
            RegistryUnavailable: Redis is away; the session may hold a slot.
        """
        wanted = self._wanted(config, running)
        if running:
            self._leases.pause(session_id)
        waiting = WaitingSession(on_queued, on_unserved, self._limits.change)
        try:
            slot = await self._allocate(session_id, wanted, avoid, waiting)
        except NoCapacity:
            if not (running or self._leases.holds(session_id)):
                self._refused.add(session_id)
            raise
        self._leases.hold(session_id, wanted, slot)
        return slot

    async def _allocate(
        self, session_id: str, wanted: SlotRequest, avoid: Collection[str], waiting: WaitingSession
    ) -> Allocation:
        with self.queue.joined(session_id, waiting):
            slot = await self._router.allocate(session_id, wanted, avoid)
            if isinstance(slot, QueuePosition):
                waiting.tell(slot)
                with self._metrics.queued.track_inprogress():
                    slot = await self._wait(session_id, wanted, avoid, slot, waiting)
        return slot

    def release(self, session_id: str, status: EndStatus, audio_duration: float) -> "asyncio.Future[None]":
        """Have the session's slot released soon, if it holds one; done when it is.

        `audio_duration` is in seconds. Of a session that was refused Redis has nothing, and is told nothing.
        """
        if session_id in self._refused:
            self._refused.discard(session_id)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        self._leases.drop(session_id)
        return self._releases.enqueue(session_id, status, audio_duration)

    def hand_over(self, session_id: str, seconds: float) -> None:
        """Leave the session's slot, for `seconds` from now, to another gateway that takes it."""
        self._leases.drop(session_id)
        self._in_background(self._extend(session_id, seconds))

    async def run(self) -> None:
        """Renew leases and positions in the queue, and release slots, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            group.create_task(self._leases.run())
            group.create_task(self._releases.run())

    async def wait_settled(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every slot is released or handed over."""
        await self._releases.wait_done(deadline)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=deadline)

    def _wanted(self, config: SessionConfig, running: bool) -> SlotRequest:
        features = [("word_timestamps", config.word_timestamps), ("vocabulary", bool(config.vocabulary))]
        return SlotRequest(
            config.model,
            config.language,
            tuple(name for name, asked in features if asked),
            config.overflow or self._overflow,
            running,
        )

    async def _wait(
        self,
        session_id: str,
        wanted: SlotRequest,
        avoid: Collection[str],
        queued: Allocation | QueuePosition,
        waiting: WaitingSession,
    ) -> Allocation:
        clock = asyncio.get_running_loop().time
        until = clock() + self._limits.total
        try:
            while isinstance(queued, QueuePosition):
                # The worker that a running session has lost may come back: it asks once more, and so
                # the queue knows that it takes any worker.
                soon = clock() + self._limits.ask if wanted.first and avoid else until
                if not await waiting.until_due(min(until, soon)) and clock() >= until:
                    raise NoCapacity("no slot came free in time", await self.retry_after())
                try:
                    queued = await self._router.allocate(session_id, wanted, () if wanted.first else avoid)
                except RegistryUnavailable:  # Its position is kept for a while.
                    waiting.on_unserved()
                    continue
                avoid = () if wanted.first else avoid
                if isinstance(queued, QueuePosition):
                    waiting.tell(queued)
            return queued
        finally:
            if isinstance(queued, QueuePosition):
                self._in_background(self._leave(session_id))

    async def retry_after(self) -> float:
        """Seconds after which a client that is refused may find a slot."""
        return await self._router.retry_after()

    async def _leave(self, session_id: str) -> None:
        with suppress(RegistryUnavailable):  # Then the position lapses.
            await self._router.leave(session_id)

    async def _extend(self, session_id: str, seconds: float) -> None:
        with suppress(RegistryUnavailable):  # Then the lease runs out sooner.
            await self._router.renew([session_id], seconds)

    def _in_background(self, coroutine: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(coroutine)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
