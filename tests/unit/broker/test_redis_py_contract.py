"""Tests that the undocumented parts of redis-py that broker/store/redis_py.py uses are installed."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import Sentinel
from redis.client import NEVER_DECODE
from redis.exceptions import ClusterDownError, MovedError

from broker.store.redis_py import (
    NotConnected,
    SentinelClient,
    SlotConnection,
    SlotMoved,
    check_options,
    is_encrypted,
    key_slot,
    parse_url,
    query_node,
    read_bytes,
    retry_moved,
)
from tests.support.managed_process import DEADLINE_S


@asynccontextmanager
async def serve(answer: bytes) -> AsyncIterator[int]:
    """The port of a server that gives each command the same answer, for the duration of a block."""

    ended: list[asyncio.Event] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(end := asyncio.Event())
        while data := await reader.read(65_536):
            introductions = data.count(b"SETINFO")  # of the library, when it connects
            writer.write(b"+OK\r\n" * introductions or answer)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        end.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        async with asyncio.timeout(DEADLINE_S):
            for end in ended:
                await end.wait()
            await server.wait_closed()


OPTIONS: dict[str, Any] = {"decode_responses": True, "protocol": 2}


@pytest.mark.parametrize("name", ["connect_check_health", "read_response"])
def test_a_connection_has_the_methods_that_are_extended(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Connection, name))
    assert inspect.iscoroutinefunction(getattr(SSLConnection, name))


def test_a_connection_that_is_lost_is_made_again_to_the_address_of_then() -> None:
    async def main() -> None:
        async with serve(b"+first\r\n") as first, serve(b"+second\r\n") as second:
            ports = iter([first, second])

            async def find() -> tuple[str, int]:
                return "127.0.0.1", next(ports)

            connection: Any = SlotConnection(find=find, **OPTIONS)
            answers = []
            for _ in range(2):
                await connection.connect()
                await connection.connect()  # finds nothing: it is connected
                await connection.send_command("PING")
                answers.append(await connection.read_response())
                await connection.disconnect()
            assert answers == ["first", "second"]

    asyncio.run(main())


@pytest.mark.parametrize("answer", [b"-MOVED 5 127.0.0.1:1\r\n", b"-CLUSTERDOWN The cluster is down\r\n"])
def test_a_node_that_is_not_the_master_closes_the_connection_and_is_no_longer_asked(answer: bytes) -> None:
    async def main() -> None:
        async with serve(answer) as port:

            async def find() -> tuple[str, int]:
                return "127.0.0.1", port

            connection: Any = SlotConnection(find=find, **OPTIONS)
            await connection.connect()
            await connection.send_command("GET", "k")
            with pytest.raises(SlotMoved):
                await connection.read_response()
            assert not connection.is_connected

    asyncio.run(main())


def test_what_a_node_refuses_is_retried_and_a_lost_connection_is_not() -> None:
    async def attempts(error: Exception) -> int:
        calls = 0

        async def call() -> None:
            nonlocal calls
            calls += 1
            raise error

        async def on_failure(_: Exception) -> None:
            pass

        with pytest.raises(type(error)):
            await retry_moved().call_with_retry(call, on_failure)
        return calls

    assert issubclass(SlotMoved, NotConnected)
    assert asyncio.run(attempts(SlotMoved("moved"))) == 4
    assert asyncio.run(attempts(NotConnected("reset"))) == 1


def test_the_errors_of_a_cluster_are_those_that_a_connection_raises() -> None:
    assert (MovedError("5 127.0.0.1:1").host, MovedError("5 127.0.0.1:1").port) == ("127.0.0.1", 1)
    assert issubclass(ClusterDownError, Exception)


def test_one_command_is_answered_over_a_connection_of_its_own() -> None:
    async def main() -> None:
        async with serve(b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:7000\r\n") as port:
            node = "127.0.0.1", port
            answer = await query_node(node, OPTIONS, "CLUSTER", "SLOTS", encrypted=False)
        assert answer == [[0, 16383, ["a", 7000]]]

    asyncio.run(main())


def test_an_answer_is_left_as_bytes_where_that_is_asked_for() -> None:
    async def main() -> None:
        async with serve(b"*2\r\n$1\r\nf\r\n$2\r\n\xff\x00\r\n") as port:
            client = Redis.from_pool(ConnectionPool(host="127.0.0.1", port=port, **OPTIONS))
            answer = await read_bytes(client, "HGETALL", "key")
            await client.aclose()
        assert answer in ({b"f": b"\xff\x00"}, [b"f", b"\xff\x00"])

    assert NEVER_DECODE == "NEVER_DECODE"
    asyncio.run(main())


def test_a_sentinel_client_knows_its_sentinels_and_closes_them() -> None:
    async def main() -> None:
        sentinel: Any = Sentinel([("a", 1), ("b", 2)])  # type: ignore[no-untyped-call]
        client = sentinel.master_for("main", redis_class=SentinelClient)
        sentinels = client.connection_pool.sentinel_manager.sentinels
        assert sentinels == sentinel.sentinels
        assert len(sentinels) == 2
        await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "kind", "encrypted"),
    [
        ("redis://me:p%40ss@h:7/3", None, False),
        ("rediss://h", SSLConnection, True),
        ("unix:///s", UnixDomainSocketConnection, False),
    ],
)
def test_a_url_is_read_into_options(url: str, kind: type | None, encrypted: bool) -> None:
    options = dict(parse_url(url))
    assert options.get("connection_class") is kind
    assert is_encrypted(options) is encrypted
    if kind is None:
        assert options == {"host": "h", "port": 7, "db": 3, "username": "me", "password": "p@ss"}


def test_an_unknown_option_is_refused_when_a_connection_is_made() -> None:
    check_options(Redis.from_url("redis://a"))
    with pytest.raises(TypeError, match="colour"):
        check_options(Redis.from_url("redis://a?colour=red"))


def test_keys_with_one_hash_tag_lie_in_one_slot() -> None:
    assert key_slot(b"{a}:x") == key_slot(b"{a}:y") == key_slot(b"a")
    assert key_slot(b"123456789") == 12739  # from the Redis Cluster specification
