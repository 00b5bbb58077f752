"""Tests that running sessions do not notice a Redis that is lost, or that comes back empty."""

import asyncio
import os
from pathlib import Path

import pytest

from broker.store.keys import PLAIN
from broker.store.scripts import Scripts
from runtime.errors import StartupError
from runtime.local_server import free_ports
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import client, gateway_process, process, run, until
from tests.support.managed_process import ManagedProcess
from tests.support.redis_fixture import RedisServer, configured_redis

AWAY_S = float(os.environ.get("DALSTON_TEST_REDIS_AWAY", "0"))
"""Seconds for which Redis stays away after its loss was noticed; a long run of the suite says 30."""


@pytest.mark.parametrize("how", ["killed", "emptied"])
def test_running_sessions_do_not_notice_and_keep_their_slots(own_redis: RedisServer, how: str) -> None:
    async def main() -> None:
        with (
            process("broker", redis_url=own_redis.url) as broker,
            gateway_process(own_redis.url, heartbeat_timeout="5") as gateway,
        ):
            async with fake_worker(own_redis.url, capacity=2) as worker:
                await asyncio.to_thread(gateway.process.line, "ready")
                async with client(gateway) as me:
                    await me.event("session.begin")
                    await lose(own_redis, how, gateway.process)
                    with own_redis.client() as look:

                        async def slots_are_exact() -> bool:
                            key = PLAIN.worker("worker-1")
                            return (
                                look.scard(PLAIN.active) == 1
                                and look.hget(key, "active_sessions") == "1"
                                and [
                                    look.hget(PLAIN.session(s), "model") for s in look.smembers(PLAIN.active)
                                ]
                                == ["fast"]
                            )

                        await until(slots_are_exact)
                    await me.send(bytes(100))
                    assert (await me.event("transcript.partial"))["text"] == "100"

                    async def serves_again() -> bool:
                        return (await asyncio.to_thread(gateway.get, "/readyz")).status_code == 200

                    await until(serves_again)
                    async with client(gateway) as other, client(gateway) as third:
                        firsts = sorted([(await c.event())["type"] for c in (other, third)])
                        assert firsts == ["error", "session.begin"]
                    assert len(worker.visits) == 2
            assert not any("offline" in line or "gone" in line for line in broker.lines)

    run(main(), 60 + AWAY_S)


async def lose(redis: RedisServer, how: str, gateway: ManagedProcess) -> None:
    """Take Redis away until the gateway notices, or all that it knows."""
    if how == "killed":
        redis.stop()
        await asyncio.to_thread(gateway.line, "Redis is away")
        if AWAY_S:
            await asyncio.sleep(AWAY_S)
        redis.start()
    else:
        with redis.client() as admin:
            admin.flushall()
            admin.script_flush()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+sentinel://a:26379", "service"),
        ("redis+sentinel://a:x/main", "'x'"),
        ("redis+cluster://", "a host is missing"),
        ("redis+cluster://a:1,,b:2", "a host is missing"),
        ("redis+cluster://a:x", "'x'"),
        ("redis+cluster://a:70000", "out of range"),
        ("rediss+cluster://a/3", "no databases"),
        ("rediss+cluster://a?ssl_cert_reqs=perhaps", "perhaps"),
        ("redis+cluster://a?colour=red", "colour"),
        ("redis://a?colour=red", "colour"),
        ("http://a", "begin with one of redis, rediss"),
        ("redis+cluster://me:secret@a:x", "//\\*\\*\\*@a:x"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, says: str) -> None:
    with pytest.raises(StartupError, match=says):
        Scripts(url)


def test_the_master_is_found_through_sentinels(tmp_path: Path) -> None:
    redis, sentinel, nobody = free_ports(3)
    watch = f"port {sentinel}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {redis} 1\n"
    with (
        configured_redis(tmp_path, "redis", f'port {redis}\nbind 127.0.0.1\nsave ""\n'),
        configured_redis(tmp_path, "sentinel", watch, "--sentinel"),
    ):
        url = f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel}/main/0"

        async def main() -> None:
            async with fake_worker(url):
                with gateway_process(url) as gateway:
                    await asyncio.to_thread(gateway.process.line, "ready")
                    async with client(gateway) as me:
                        await me.event("session.begin")

        run(main())
