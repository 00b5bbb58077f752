"""A gateway that stops hands all of its sessions over, and writes no more of them than Redis has not got."""

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import Final

from broker.store.keys import PLAIN
from tests.support.fake_worker import WorkerVisit, fake_worker
from tests.support.gateway_process import GatewayProcess, client, gateway_process, run, until
from tests.support.redis_fixture import RedisServer

SESSIONS: Final = 40
AUDIO: Final = bytes(160_000)  # Five seconds without a final: all of it is kept for another worker.


async def keeps_quiet(visit: WorkerVisit) -> None:
    """Take everything and say nothing but that it lives."""
    await visit.begin()
    async for _ in visit.connection:
        await visit.event("progress", processed=0.0)


async def speaks(stack: AsyncExitStack, gateway: GatewayProcess) -> None:
    """A client with a session of some seconds, that stays connected."""
    me = await stack.enter_async_context(client(gateway))
    await me.event("session.begin")
    await me.send(AUDIO)


def test_all_sessions_are_handed_over_and_what_was_saved_is_not_written_again(own_redis: RedisServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            look = stack.enter_context(own_redis.client())
            gateway = stack.enter_context(gateway_process(own_redis.url, resume_window="60"))
            await stack.enter_async_context(fake_worker(own_redis.url, keeps_quiet, capacity=SESSIONS))
            await asyncio.gather(*(speaks(stack, gateway) for _ in range(SESSIONS)))

            async def saved() -> bool:
                kept = [sum(map(len, look.hgetall(key).values())) for key in look.keys(PLAIN.checkpoint("*"))]
                return len(kept) == SESSIONS and min(kept) > len(AUDIO)

            look.connection_pool.connection_kwargs["decode_responses"] = False
            look.connection_pool.disconnect()
            await until(saved)
            before = int(look.info("stats")["total_net_input_bytes"])
            gateway.process.send(signal.SIGTERM)
            assert await asyncio.to_thread(gateway.process.wait) == 0
            written = int(look.info("stats")["total_net_input_bytes"]) - before
            owners = [look.hget(key, "owner") for key in look.keys(PLAIN.checkpoint("*"))]
            assert owners == [b""] * SESSIONS
            assert written < SESSIONS * len(AUDIO) / 4

    run(main(), 50)
