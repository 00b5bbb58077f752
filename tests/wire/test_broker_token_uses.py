"""Tests in a real Redis that a token is used no more often than it may be."""

import asyncio

from broker.store.connection import keys_of
from broker.store.scripts import Scripts
from broker.token_uses import TokenUses
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis


def test_uses_are_counted_once_each_also_at_the_same_time(any_redis: AnyRedis) -> None:
    async def main() -> None:
        scripts = Scripts(any_redis.url, DEADLINE_S)
        try:
            uses = TokenUses(scripts)
            assert sum(await asyncio.gather(*(uses.count("one", 3, 60) for _ in range(8)))) == 3
            assert await uses.count("two", 1, 60)
            assert await scripts.run("token_use", "three", "a", 1, 60_000) == 1
            assert await scripts.run("token_use", "three", "a", 1, 60_000) == 1
            assert await scripts.run("token_use", "three", "b", 1, 60_000) == 0
        finally:
            await scripts.close()

    asyncio.run(main())
    assert keys_of(any_redis.url).token_uses("one").endswith("token:one")
