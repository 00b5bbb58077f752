"""Tests checkpoints in a real Redis: saved, changed, claimed by another gateway, deleted."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from broker.checkpoints import CheckpointChange, Checkpoints, SaveResult
from broker.errors import RegistryUnavailable
from broker.store.scripts import Scripts
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer

TTL_S = 60
HERE, ELSEWHERE = "gateway-a 127.0.0.1:8000", "gateway-b 127.0.0.1:8001"


def use(url: str, scenario: Callable[[Checkpoints], Awaitable[None]]) -> None:
    """Run a scenario with the checkpoints of one Redis."""

    async def main() -> None:
        scripts = Scripts(url, DEADLINE_S)
        checkpoints = Checkpoints(scripts, url, TTL_S)
        try:
            await scenario(checkpoints)
        finally:
            await checkpoints.close()
            await scripts.close()

    asyncio.run(main())


def whole(session_id: str, **fields: bytes) -> CheckpointChange:
    """All fields of a session."""
    return CheckpointChange(session_id, fields, complete=True)


def test_what_was_saved_is_loaded_with_its_owner(any_redis: AnyRedis) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        both = [whole("one", meta=b"\x00\xff", a0=b""), whole("two", meta=b"m")]
        assert await checkpoints.save(HERE, both) == [SaveResult.SAVED, SaveResult.SAVED]
        assert await checkpoints.load("one") == {"owner": HERE.encode(), "meta": b"\x00\xff", "a0": b""}
        assert await checkpoints.load("two") == {"owner": HERE.encode(), "meta": b"m"}
        assert await checkpoints.load("three") == {}

    use(any_redis.url, scenario)


def test_changes_are_applied_to_what_is_there_and_refused_where_nothing_is(any_redis: AnyRedis) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        changes = CheckpointChange("one", {"a1": b"more"}, ["a0"])
        assert await checkpoints.save(HERE, [changes]) == [SaveResult.UNKNOWN]
        assert await checkpoints.load("one") == {}
        await checkpoints.save(HERE, [whole("one", a0=b"audio", meta=b"m")])
        assert await checkpoints.save(HERE, [changes]) == [SaveResult.SAVED]
        assert await checkpoints.load("one") == {"owner": HERE.encode(), "a1": b"more", "meta": b"m"}

    use(any_redis.url, scenario)


def test_a_complete_save_leaves_nothing_of_what_was_there(any_redis: AnyRedis) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        await checkpoints.save(HERE, [whole("one", a0=b"audio")])
        await checkpoints.save(HERE, [whole("one")])
        assert await checkpoints.load("one") == {"owner": HERE.encode()}

    use(any_redis.url, scenario)


def test_one_gateway_claims_a_session_and_the_one_before_can_write_no_more(any_redis: AnyRedis) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        await checkpoints.save(HERE, [whole("one", a0=b"audio")])
        assert await checkpoints.claim("one", HERE, ELSEWHERE)
        assert not await checkpoints.claim("one", HERE, "gateway-c")
        both = [whole("one", a0=b"late"), whole("two", a0=b"own")]
        assert await checkpoints.save(HERE, both) == [SaveResult.TAKEN, SaveResult.SAVED]
        assert await checkpoints.load("one") == {"owner": ELSEWHERE.encode(), "a0": b"audio"}

    use(any_redis.url, scenario)


def test_only_its_owner_deletes_a_checkpoint(any_redis: AnyRedis) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        await checkpoints.save(HERE, [whole("one", a0=b"audio")])
        await checkpoints.delete("one", ELSEWHERE)
        assert await checkpoints.load("one") != {}
        await checkpoints.delete("one", HERE)
        assert await checkpoints.load("one") == {}

    use(any_redis.url, scenario)


def test_a_checkpoint_lives_for_its_time_from_the_last_write(shared_redis: RedisServer) -> None:
    key = shared_redis.keys.checkpoint("one")

    async def scenario(checkpoints: Checkpoints) -> None:
        for write in (
            checkpoints.save(HERE, [whole("one", a0=b"audio")]),
            checkpoints.claim("one", HERE, ELSEWHERE),
        ):
            await write
            with shared_redis.client() as client:
                assert TTL_S - 5 <= int(str(client.ttl(key))) <= TTL_S
                client.expire(key, 5)

    use(shared_redis.url, scenario)


def test_a_redis_that_is_away_is_said_in_our_own_words(own_redis: RedisServer) -> None:
    async def scenario(checkpoints: Checkpoints) -> None:
        assert checkpoints.available
        own_redis.stop()
        for call in (
            checkpoints.save(HERE, [whole("one")]),
            checkpoints.load("one"),
            checkpoints.claim("one", HERE, ELSEWHERE),
            checkpoints.delete("one", HERE),
        ):
            with pytest.raises(RegistryUnavailable):
                await call
        assert not checkpoints.available

    use(own_redis.url, scenario)
