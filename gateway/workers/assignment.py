"""A session in, a connection to a worker that has a place for it out; at first, and when one is lost."""

import asyncio
import secrets
import time
from typing import Final

import structlog

from broker.errors import NoCapacity, RegistryUnavailable, SessionOver
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.slots import OnQueued
from gateway.context import Gateway
from gateway.realtime.admission import SessionRequest
from gateway.workers.connection import WorkerConnection, WorkerUnreachable
from gateway.workers.request import worker_query

log = structlog.stdlib.get_logger(__name__)

MOVE_S: Final = 8.0  # to find another worker: one that is started again needs some seconds
RETRY_S: Final = 0.2


class WorkerAssignment:
    """Where a session is served: `worker_id`, and whether it got less than it asked for."""

    def __init__(self, gateway: Gateway, session_id: str, wish: SessionRequest) -> None:
        self.worker_id = "none"
        self.degraded = False
        self._gateway, self._id, self._wish = gateway, session_id, wish

    async def first(self, config: SessionConfig, on_queued: OnQueued) -> WorkerConnection:
        """A connection to a worker with a free place; if the first can't be reached, to another.

        Raises:
            NoCapacity: there is no place.
            WorkerUnreachable: two workers can't be reached.
            RegistryUnavailable: Redis is away.
        """
        started = time.monotonic()
        place = await self._take((), on_queued)
        try:
            link = await self._open(place, self._id, config, "")
        except WorkerUnreachable as error:
            log.warning("session=%s trying another worker: %s", self._id, error)
            place = await self._take((place.worker_id,), on_queued)
            link = await self._open(place, self._id, config, "")
        self._gateway.metrics.routing.observe(time.monotonic() - started)
        return link

    async def next(self, config: SessionConfig, seam: str, *, here: bool) -> WorkerConnection | None:
        """A connection to another worker, or to the same one if it comes back first; None in the end.

        `here` is whether this gateway had one before. `seam` is the query that says where to go on.
        """
        avoid: tuple[str, ...] = (self.worker_id,) if here else ()
        clock = asyncio.get_running_loop().time
        until = clock() + MOVE_S
        while clock() < until:
            try:
                async with asyncio.timeout_at(until):
                    place = await self._take(avoid, None)
                    avoid = (place.worker_id,)
                    link_id = f"{self._id}.{secrets.token_hex(2)}"  # the lost link may be half-open there
                    return await self._open(place, link_id, config, seam)
            except NoCapacity:
                avoid = ()
            except SessionOver as error:
                log.warning("%s", error)
                return None
            except (WorkerUnreachable, RegistryUnavailable, TimeoutError) as error:
                log.debug("session=%s no worker yet: %s", self._id, error)
            await asyncio.sleep(RETRY_S)
        return None

    async def _take(self, avoid: tuple[str, ...], on_queued: OnQueued | None) -> Allocation:
        running = on_queued is None
        return await self._gateway.places.take(
            self._id, self._wish.config, avoid, running=running, on_queued=on_queued
        )

    async def _open(
        self, place: Allocation, link_id: str, config: SessionConfig, seam: str
    ) -> WorkerConnection:
        query = f"{worker_query(self._wish.query, config, place)}&{seam}".rstrip("&")
        link = await WorkerConnection.open(place, link_id, query, self._gateway.link_terms)
        before, self.worker_id, self.degraded = self.worker_id, place.worker_id, place.degraded
        log.info("session=%s worker=%s model=%s before=%s", self._id, place.worker_id, place.model, before)
        return link
