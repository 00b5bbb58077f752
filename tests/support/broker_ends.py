"""Connects both ends of the broker, a worker's and a gateway's, to one Redis."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from broker.records import Allocation, SlotRequest, WorkerInfo, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from dalston_realtime.protocol.models import ModelInfo
from tests.support.gateway_process import run
from tests.support.redis_cluster import AnyRedis

TINY = ModelInfo("fast", "tiny", "moonshine", ("en",), {"streaming": False})
LARGE = ModelInfo("accurate", "large", "whisper", ("en", "de"), {"streaming": False})
RECORD = WorkerRecord("w1", "ws://127.0.0.1:9000", 2, (TINY, LARGE))


class BrokerEnds:
    """A worker's registry and a gateway's router on the same Redis."""

    def __init__(self, url: str) -> None:
        settings = BrokerSettings(redis_url=url)
        self.registry, self.router = Registry.connect(url), SessionRouter.connect(settings)

    async def worker(self, worker_id: str = "w1") -> WorkerInfo | None:
        """What the router sees of a worker."""
        return next((w for w in await self.router.workers() if w.worker_id == worker_id), None)

    async def allocate(self, session: str, request: SlotRequest, avoid: Collection[str] = ()) -> Allocation:
        """The slot of a session, which it gets at once."""
        found = await self.router.allocate(session, request, avoid)
        assert isinstance(found, Allocation)
        return found

    async def close(self) -> None:
        """Close both."""
        await self.registry.close()
        await self.router.close()


def on_redis(test: Callable[[BrokerEnds], Coroutine[Any, Any, None]], redis: AnyRedis) -> None:
    """Run a test's coroutine with both ends connected."""

    async def main() -> None:
        ends = BrokerEnds(redis.url)
        try:
            await test(ends)
        finally:
            await ends.close()

    run(main())
