"""Attacks a gateway as hostile clients do, and says what each attack costs: `make attack` shows the table."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, NamedTuple

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, gateway_process, run
from tests.support.redis_fixture import RedisServer, redis_server

FLOOD_S: Final = 4.0  # Seconds of a flood; without a guard it takes some 8 MB of memory in each.
PING: Final = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
CLIENTS: Final = 20
BREACHES: Final = 200
MB: Final = 1e6


pytestmark = pytest.mark.skipif("ATTACKS" not in os.environ, reason="takes a minute: `make attack`")


class AttackCost(NamedTuple):
    """What an attack costs: megabytes of memory, lines of log, and seconds until it ended by itself."""

    megabytes: float
    lines: int
    seconds: float


class Target(NamedTuple):
    """What is attacked."""

    gateway: GatewayProcess
    redis: RedisServer

    def memory(self) -> float:
        """Megabytes that the gateway has."""
        return float(psutil.Process(self.gateway.process.pid).memory_info().rss) / MB


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with redis_server() as redis, gateway_process(redis.url, overflow="queue", queue_timeout="60") as gateway:
        yield Target(gateway, redis)


def cost(target: Target, attack: Callable[[Target], Awaitable[Any]]) -> AttackCost:
    """Play an attack, and say what it costs while it lasts."""

    async def main() -> AttackCost:
        async with fake_worker(target.redis.url):
            before, lines, begun = target.memory(), len(target.gateway.process.lines), time.monotonic()
            playing = asyncio.ensure_future(attack(target))
            most = before
            while not playing.done():
                await asyncio.wait([playing], timeout=0.1)
                most = max(most, target.memory())
            await playing
            seconds = time.monotonic() - begun
            return AttackCost(most - before, len(target.gateway.process.lines) - lines, seconds)

    found = run(main(), 120)
    print(f"\n{attack.__name__:24} {found.megabytes:8.1f} MB {found.lines:6} lines {found.seconds:6.1f} s")
    return found


async def ping_flood(target: Target) -> None:
    """Pings whose pongs are not read."""
    async with connect(target.gateway.url(), proxy=None, compression=None, ping_interval=None) as client:
        client.transport.pause_reading()
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until and not client.transport.is_closing():
            if client.transport.get_write_buffer_size() < 1 << 20:
                client.transport.write(PING * 1_000)
            await asyncio.sleep(0.001)
        client.transport.abort()


async def unfinished_messages(target: Target) -> None:
    """Messages of 8 MiB that never end."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(connect(target.gateway.url(), proxy=None, compression=None))
            for _ in range(CLIENTS)
        ]
        head = Frame(Opcode.BINARY, bytes(8 << 20)).serialize(mask=True)
        for client in clients:
            client.transport.write(head[:-1])
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until and any(c.transport.get_write_buffer_size() for c in clients):
            await asyncio.sleep(0.05)
        for client in clients:
            client.transport.abort()


async def text_that_is_no_utf8(target: Target) -> None:
    """Text frames that are not UTF-8, each on a connection of its own."""
    for _ in range(BREACHES):
        async with connect(target.gateway.url(), proxy=None, compression=None) as client:
            with suppress(ConnectionClosed):
                await client.send(b"\xff", text=True)
            client.transport.abort()


async def garbage_http(target: Target) -> None:
    """Bytes that are no HTTP."""
    for _ in range(BREACHES):
        _, writer = await asyncio.open_connection(target.gateway.host, target.gateway.port)
        writer.write(b"\x16\x03\x01 garbage\r\n\r\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


async def slow_body(target: Target) -> None:
    """A body that comes byte by byte, until the gateway ends it or half a minute is over."""
    reader, writer = await asyncio.open_connection(target.gateway.host, target.gateway.port)
    head = "PATCH /v1/realtime/sessions/x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: 60000\r\n\r\n".encode())
    answer = asyncio.ensure_future(reader.read())
    for _ in range(30):
        writer.write(b"x")
        await asyncio.wait([answer], timeout=1)
        if answer.done():
            break
    answer.cancel()
    writer.transport.abort()


def test_a_flood_of_pings(target: Target) -> None:
    assert cost(target, ping_flood).megabytes < 16


def test_messages_that_never_end(target: Target) -> None:
    assert cost(target, unfinished_messages).megabytes < 2 * CLIENTS


def test_breaches_of_the_protocol_are_hardly_logged(target: Target) -> None:
    for attack in (text_that_is_no_utf8, garbage_http):
        assert cost(target, attack).lines < BREACHES * 2
    assert not [line for line in target.gateway.process.lines if "Traceback" in line]


def test_a_body_byte_by_byte_is_ended(target: Target) -> None:
    assert cost(target, slow_body).seconds < 29
