"""What every connection of a gateway shares."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from broker.router import SessionRouter
from gateway.capacity.announcements import WorkerLost, listen
from gateway.capacity.directory import WorkerDirectory
from gateway.capacity.slots import SlotManager
from gateway.metrics import GatewayMetrics
from gateway.sessions.checkpoint_store import CheckpointStore
from gateway.settings import GatewaySettings
from gateway.workers.connection import ConnectOptions
from runtime.secret import internal_secret

log = structlog.stdlib.get_logger(__name__)


class Gateway:
    """One gateway process: its router, its view of the workers, its metrics, and whether it stops."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.metrics = GatewayMetrics()
        self.router = SessionRouter.connect(settings)
        self.directory = WorkerDirectory(self.router, time.monotonic)
        self.places = SlotManager(self.router, self.metrics, settings.overflow, settings.queue_timeout)
        self.worker_lost = WorkerLost()
        self.link_terms = ConnectOptions(
            settings.worker_connect_timeout, settings.worker_send_timeout, internal_secret(settings)
        )
        self.vault = CheckpointStore(self.router.scripts, settings.redis, settings.resume_window)
        self.stopping = asyncio.Event()
        self._connections = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.metrics.redis_available.set_function(lambda: float(self.router.available))

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return self._connections >= self.settings.max_connections

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Count a connection while it lasts."""
        self._connections += 1
        self._empty.clear()
        self.metrics.connections.set(self._connections)
        try:
            yield
        finally:
            self._connections -= 1
            self.metrics.connections.set(self._connections)
            if not self._connections:
                self._empty.set()

    async def run(self) -> None:
        """Hold the sessions' places, and hear what the registry announces, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.places.run())
            group.create_task(self.vault.run())
            group.create_task(listen(self.settings.redis, self.router, self.worker_lost, self.places.news))

    async def drain(self, deadline: float) -> None:
        """Admit nobody any more, and wait up to `deadline` seconds until all clients are told."""
        self.stopping.set()
        try:
            async with asyncio.timeout(deadline):
                await self._empty.wait()
        except TimeoutError:
            log.warning("connections that could not be closed in time: %d", self._connections)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self.router.close()
        await self.vault.close()
