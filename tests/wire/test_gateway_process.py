"""The gateway as a process: start, ready line, signals, a Redis that comes and goes, idle connects."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from gateway.__main__ import serve
from gateway.server.uvicorn_server import bind
from gateway.sessions.checkpoint_store import CheckpointStore
from gateway.settings import GatewaySettings
from tests.support.fake_worker import WorkerVisit, fake_worker
from tests.support.gateway_process import (
    PATH,
    Client,
    GatewayProcess,
    client,
    gateway_process,
    process,
    run,
    until,
)
from tests.support.managed_process import EXIT_S
from tests.support.redis_fixture import RedisServer

HANGS_S = 4.0  # Seconds until no_capacity is said; each call of Redis is given up after one.


def test_it_says_ready_when_a_worker_is_there_and_not_before(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url) as gateway:
            await until(lambda: _answers(gateway, "/readyz", 503))
            assert not any("ready" in line for line in gateway.process.lines)
            async with fake_worker(shared_redis.url):
                line = await asyncio.to_thread(gateway.process.line, "ready")
                assert line == f"ready: ws://127.0.0.1:{gateway.port}{PATH}"

    run(main())


def test_a_worker_killed_before_the_start_does_not_make_it_ready(own_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(own_redis.url):
            pass
        with gateway_process(own_redis.url, heartbeat_timeout="60") as gateway:
            await until(lambda: _answers(gateway, "/v1/realtime/status", 200, '"worker_count":1'))
            assert gateway.get("/readyz").status_code == 503
            assert not any("ready" in line for line in gateway.process.lines)
            async with fake_worker(own_redis.url):
                await asyncio.to_thread(gateway.process.line, "ready")

    run(main())


async def _answers(gateway: GatewayProcess, path: str, status: int, text: str = "") -> bool:
    response = await asyncio.to_thread(gateway.get, path)
    return response.status_code == status and text in response.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_tells_the_clients_and_ends_the_process(
    shared_redis: RedisServer, number: signal.Signals
) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url) as gateway:
            async with fake_worker(shared_redis.url), client(gateway) as me, client(gateway) as deaf:
                await me.event("session.begin")
                await deaf.event("session.begin")
                deaf.connection.transport.pause_reading()
                gateway.process.send(number)
                (error,) = await me.rest()
                assert error["code"] == "restarting"
                assert error["recoverable"] is False
                assert me.closed == (1012, "restarting")
                assert await asyncio.to_thread(gateway.process.wait, EXIT_S) == 0
                with shared_redis.client() as look:
                    kept = look.keys("dalston:realtime:resume:*")
                    assert [look.hget(key, "owner") for key in kept] == ["", ""]
                deaf.connection.transport.resume_reading()
                assert (await deaf.rest())[-1]["code"] == "restarting"

    run(main())


def test_nobody_is_admitted_while_it_stops(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url) as gateway:
            async with fake_worker(shared_redis.url, _floods), client(gateway) as stuck:
                await stuck.event()
                stuck.connection.transport.pause_reading()
                async with open_http(gateway) as (reader, writer):
                    await until(lambda: _answers(gateway, "/readyz", 200))
                    gateway.process.send(signal.SIGTERM)
                    await until(lambda: _refused(gateway))
                    writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
                    assert b" 503 " in await reader.readline()
                stuck.connection.transport.abort()
            assert await asyncio.to_thread(gateway.process.wait) == 0

    run(main())


async def _floods(visit: WorkerVisit) -> None:
    """Never lets the connection to the client become empty, so the drain takes its whole time."""
    while True:
        await visit.event("transcript.final", utterance=0, text="x" * 50_000)
        await asyncio.sleep(0.01)


async def _refused(gateway: GatewayProcess) -> bool:
    try:
        async with client(gateway):
            return False
    except InvalidStatus as refused:
        return b'"restarting"' in (refused.response.body or b"")


@contextlib.asynccontextmanager
async def open_http(
    gateway: GatewayProcess,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection to the gateway."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def test_a_port_that_is_taken_is_named(shared_redis: RedisServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with process("gateway", redis_url=shared_redis.url, gateway_port=port) as gateway:
            assert gateway.wait() == 1
            assert len(gateway.lines) == 1
            assert f"port {port}" in gateway.lines[0]
            assert "DALSTON_GATEWAY_PORT" in gateway.lines[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("gateway_port", "http"), ("redis_url", "nonsense"), ("gateway_host", "no.such.host.invalid")],
)
def test_a_bad_setting_is_named(setting: str, value: str) -> None:
    settings = {"redis_url": "unix:///nowhere", "gateway_port": "0"} | {setting: value}
    with process("gateway", **settings) as gateway:
        assert gateway.wait() == 1
        assert f"DALSTON_{setting.upper()}" in gateway.lines[0]


def test_redis_may_be_away_at_the_start_and_lost_later(own_redis: RedisServer) -> None:
    async def main() -> None:
        own_redis.stop()
        with gateway_process(own_redis.url) as gateway:
            await no_capacity(gateway)
            own_redis.start()
            async with fake_worker(own_redis.url):
                await asyncio.to_thread(gateway.process.line, "ready")
                async with client(gateway) as live, client(gateway) as leaves:
                    await live.event("session.begin")
                    await leaves.event("session.begin")
                    own_redis.stop()
                    await live.send(bytes(100))
                    assert (await live.event())["text"] == "100"
                    leaves.connection.transport.abort()
                    await until(lambda: _answers(gateway, "/readyz", 503, "registry_unavailable"))
                    await no_capacity(gateway)
                    own_redis.start()
                    await until(lambda: _answers(gateway, "/readyz", 200))
                    await until(lambda: _active(own_redis, 1))
                    async with client(gateway) as new:
                        await new.event("session.begin")
                    await live.send(bytes(100))
                    assert (await live.event())["text"] == "200"
            away = [line for line in gateway.process.lines if "Redis is away" in line]
            assert len(away) == 2

    run(main())


def test_a_redis_that_hangs_is_no_capacity_within_a_second_or_two(own_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(own_redis.url) as gateway:
            async with fake_worker(own_redis.url):
                await asyncio.to_thread(gateway.process.line, "ready")
                own_redis.pause()
                async with asyncio.timeout(HANGS_S):
                    await no_capacity(gateway)
                own_redis.go_on()
                await until(lambda: _active(own_redis, 0))
                await until(lambda: _serves(gateway))

    run(main())


async def no_capacity(gateway: GatewayProcess) -> None:
    """A connect is accepted and told so."""
    async with client(gateway) as me:
        (error,) = await me.rest()
        assert error["code"] == "no_capacity"
        assert error["retry_after"] > 0
        assert me.closed[0] == 4503


async def _active(redis: RedisServer, expected: int) -> bool:
    with redis.client() as look:
        return bool(look.scard("dalston:realtime:sessions:active") == expected)


async def _serves(gateway: GatewayProcess) -> bool:
    async with client(gateway) as me:
        return bool((await me.event())["type"] == "session.begin")


def test_connects_that_never_send_a_byte_hurt_nobody(shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            gateway = stack.enter_context(gateway_process(shared_redis.url, handshake_timeout="1"))
            await stack.enter_async_context(fake_worker(shared_redis.url, capacity=4))
            silent = [await asyncio.open_connection(gateway.host, gateway.port) for _ in range(500)]
            idle: list[ClientConnection] = []
            for _ in range(50):
                batch = [connect(gateway.url(), proxy=None) for _ in range(10)]
                idle += await asyncio.gather(*batch)
            clients = [Client(connection) for connection in idle]
            firsts = [(await me.event())["type"] for me in clients]
            assert firsts.count("session.begin") == 4
            assert firsts.count("error") == 496
            assert gateway.get("/healthz").status_code == 200
            for reader, writer in silent:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
                writer.close()
            for connection in idle:
                await connection.close()
            await until(lambda: _serves(gateway))

    run(main())


def test_a_gateway_that_cannot_hold_its_places_ends(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def breaks(_vault: CheckpointStore) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(CheckpointStore, "run", breaks)
    settings = GatewaySettings(redis_url=own_redis.url, gateway_port=0, data_dir=tmp_path)
    stop: Any = SimpleNamespace(requested=False)

    async def main() -> None:
        with bind(settings) as sock, pytest.raises(ExceptionGroup) as failed:
            await serve(settings, sock, stop)
        assert failed.value.subgroup(ZeroDivisionError)

    run(main())
