"""Connects the two sides that use the broker to one Redis: a worker's registry and a gateway's router."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from broker.records import Allocation, SlotRequest, WorkerInfo
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from tests.support.gateway_process import run
from tests.support.redis_cluster import AnyRedis


class Both:
    """A worker's registry and a gateway's router on the same Redis."""

    def __init__(self, url: str, heartbeat_timeout: float = 5.0) -> None:
        settings = BrokerSettings(redis_url=url, heartbeat_timeout=heartbeat_timeout)
        self.registry, self.router = Registry.connect(url), SessionRouter.connect(settings)

    async def worker(self, worker_id: str = "w1") -> WorkerInfo | None:
        """What the router sees of a worker."""
        return next((w for w in await self.router.workers() if w.worker_id == worker_id), None)

    async def place(self, session: str, wanted: SlotRequest, avoid: Collection[str] = ()) -> Allocation:
        """The place of a session, which is there at once."""
        found = await self.router.allocate(session, wanted, avoid)
        assert isinstance(found, Allocation)
        return found

    async def close(self) -> None:
        """Close both."""
        await self.registry.close()
        await self.router.close()


def on_redis(
    test: Callable[[Both], Coroutine[Any, Any, None]], redis: AnyRedis, timeout: float = 5.0
) -> None:
    """Run a test's coroutine with both ends connected."""

    async def main() -> None:
        both = Both(redis.url, timeout)
        try:
            await test(both)
        finally:
            await both.close()

    run(main())
