"""Connects both ends of the broker, a worker's and a gateway's, to one Redis."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any

from broker.records import Allocation, SlotRequest, WorkerInfo, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.scripts import Scripts
from dalston_realtime.protocol.models import ModelInfo
from tests.support.gateway_process import run
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis

TINY = ModelInfo("fast", "tiny", "moonshine", ("en",), {"streaming": False})
LARGE = ModelInfo("accurate", "large", "whisper", ("en", "de"), {"streaming": False})
RECORD = WorkerRecord("w1", "ws://127.0.0.1:9000", 2, (TINY, LARGE))


class BrokerEnds:
    """A worker's registry and a gateway's router on the same Redis, with `answer_s` seconds for a call.

    A worker that says nothing for a while on a busy machine stays alive: its heartbeats have a minute.
    """

    def __init__(self, url: str, answer_s: float = DEADLINE_S / 2) -> None:
        settings = BrokerSettings(redis_url=url, heartbeat_timeout=DEADLINE_S)
        self.registry = Registry(Scripts(url, answer_s))
        self.router = SessionRouter(Scripts(url, answer_s), settings)

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


def on_redis(
    test: Callable[[BrokerEnds], Coroutine[Any, Any, None]],
    redis: AnyRedis,
    answer_s: float = DEADLINE_S / 2,
) -> None:
    """Run a test's coroutine with both ends connected; `answer_s` where Redis is to give none."""

    async def main() -> None:
        ends = BrokerEnds(redis.url, answer_s)
        try:
            await test(ends)
        finally:
            await ends.close()

    run(main())
