"""Others of another version: workers that speak another link, checkpoints that this gateway can't read."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import InvalidStatus

from broker.checkpoint_record import HEADER
from runtime.worker_link import SessionRefused, encode
from tests.support.fake_worker import fake_worker, strange_worker
from tests.support.gateway_process import GatewayProcess, client, gateway_process, run
from tests.support.gateway_sessions import SECOND, begun, finals, kept_gateway, recorder, resumed
from tests.support.redis_fixture import RedisServer


async def newer(connection: ServerConnection) -> None:
    """A worker that speaks a later version of the link."""
    await connection.recv()
    message = "link version 2 is not known here; this worker speaks 3"
    await connection.send(encode(SessionRefused(version=3, message=message)))


async def older(connection: ServerConnection) -> None:
    """A worker that looks for the session in the query string."""
    await connection.close(4400, "session_id is missing")


async def silent(connection: ServerConnection) -> None:
    """A worker that never answers."""
    await connection.wait_closed()


async def garbled(connection: ServerConnection) -> None:
    """A worker that answers nonsense."""
    await connection.send(b"\xff\x00")
    await connection.wait_closed()


@pytest.mark.parametrize("strange", [newer, older, silent, garbled])
def test_a_worker_of_another_version_among_good_ones_is_passed_over(
    gateway: GatewayProcess, shared_redis: RedisServer, strange: Callable[[ServerConnection], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with (
            strange_worker(shared_redis.url, strange, capacity=9),
            fake_worker(shared_redis.url, worker_id="good", capacity=2) as good,
            client(gateway) as me,
        ):
            await me.event("session.begin")
            await me.send(SECOND)
            assert (await me.event("transcript.partial"))["text"] == "32000"
            assert len(good.visits) == 1

    run(main())


def test_with_workers_of_another_version_alone_the_client_is_told_to_come_back(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with strange_worker(shared_redis.url, newer), client(gateway) as me:
            (error,) = await me.rest()
            assert error["code"] == "no_capacity"
            assert error["retry_after"] > 0
            assert me.closed == (4503, "no_capacity")

    run(main())


def newer_header(header: bytes) -> bytes:
    return header.replace(b'"version":2', b'"version":3,"more":true')


def older_header(header: bytes) -> bytes:
    return header.replace(b'"version":2', b'"version":0')


def cut_off(header: bytes) -> bytes:
    return header[: len(header) // 2]


def without_version(header: bytes) -> bytes:
    return header.replace(b'"version":2,', b"")


async def refusal(gateway: GatewayProcess, token: str) -> tuple[int, bytes, str | None]:
    """Status, body and `Retry-After` of a client that may not come back."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(gateway.url(f"resume={token}"), proxy=None):
            pass
    response = refused.value.response
    return response.status_code, bytes(response.body or b""), response.headers.get("Retry-After")


async def leave_a_session(redis: RedisServer) -> str:
    """Have a gateway leave a session in Redis; the token with which its client comes back."""
    with gateway_process(redis.url, resume_window="20") as gateway:
        async with client(gateway) as me:
            await begun(me)
            await me.send(SECOND)
            assert await finals(me, 1) == ["w1"]
            gateway.process.send(signal.SIGTERM)
            await me.rest()
            await asyncio.to_thread(gateway.process.wait)
            return f"{me.token}:2"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (newer_header, 503, b'"other_version"'),
        (older_header, 503, b'"other_version"'),
        (cut_off, 410, b'"session_unreadable"'),
        (without_version, 410, b'"session_unreadable"'),
    ],
)
def test_a_checkpoint_that_cannot_be_read_is_refused_and_left_to_others(
    shared_redis: RedisServer, change: Callable[[bytes], bytes], status: int, code: bytes
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder):
            token = await leave_a_session(shared_redis)
            key = f"dalston:realtime:resume:{token[:32]}"
            with shared_redis.client() as look, kept_gateway(shared_redis) as gateway:
                header = str(look.hget(key, HEADER)).encode()
                look.hset(key, HEADER, change(header))
                answer = await refusal(gateway, token)
                assert answer[0] == status
                assert code in answer[1]
                assert (answer[2] is not None) == (status == 503)
                assert look.hget(key, "owner") == ""  # nobody has claimed it
                line = await asyncio.to_thread(gateway.process.line, "checkpoint is")
                assert token[:32] in line
                look.hset(key, HEADER, header)
                me = await resumed(gateway, token, [], 1.0)
                await me.connection.close()

    run(main())


def test_fields_that_are_not_known_do_not_matter(shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder):
            token = await leave_a_session(shared_redis)
            key = f"dalston:realtime:resume:{token[:32]}"
            with shared_redis.client() as look, kept_gateway(shared_redis) as gateway:
                header = str(look.hget(key, HEADER)).replace('"version":1', '"version":1,"later":{"a":[1]}')
                look.hset(key, mapping={HEADER: header, "z7": b"\xff", "later": "?"})
                me = await resumed(gateway, token, [], 1.0)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w2"]
                await me.connection.close()

    run(main())
