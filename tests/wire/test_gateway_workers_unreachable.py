"""Workers that live and can't be used, and a full Redis: each is named to operators and to clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from broker.registry import Registry
from tests.support.client_commands import rt
from tests.support.fake_server import FakeServer
from tests.support.fake_worker import BEAT_S, MODEL, FakeWorker, fake_worker
from tests.support.gateway_process import GatewayProcess, client, gateway_process, run, until
from tests.support.redis_fixture import RedisServer

SECRET = "worker stranger has another DALSTON_INTERNAL_SECRET than this gateway"
NO_HOST = "the host of worker nowhere does not resolve: ws://host.invalid:9000; see DALSTON_ADVERTISE_HOST"


@asynccontextmanager
async def beating(redis_url: str, worker: FakeWorker) -> AsyncIterator[None]:
    """Have the worker's entry kept for the duration of a block."""
    registry = Registry.connect(redis_url)
    await registry.heartbeat(worker.record)
    task = asyncio.create_task(worker.run_heartbeat(registry, BEAT_S))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await registry.close()


def unauthorized(connection: ServerConnection, _request: Request) -> Response:
    """What a worker with another secret answers."""
    return connection.respond(HTTPStatus.UNAUTHORIZED, "no")


async def nothing(_connection: ServerConnection) -> None:
    """No gateway comes so far."""


@asynccontextmanager
async def worker_with_a_problem(redis_url: str, problem: str) -> AsyncIterator[None]:
    """A worker that lives and has this problem; it has more slots than any other one."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(nothing, "127.0.0.1", 0, process_request=unauthorized))
        port = next(iter(server.sockets)).getsockname()[1]
        worker = FakeWorker("stranger", port, 100, (MODEL,))
        if problem == NO_HOST:
            worker.record = replace(worker.record, worker_id="nowhere", endpoint="ws://host.invalid:9000")
        await stack.enter_async_context(beating(redis_url, worker))
        yield


async def ready(gateway: GatewayProcess, status: int, code: str, text: str = "") -> None:
    """Wait until /readyz answers with this HTTP status, this code or status in words, and this text."""

    async def says() -> bool:
        answer = await asyncio.to_thread(gateway.get, "/readyz")
        body = answer.json()
        said = body.get("error", {}).get("code") or body.get("status")
        return (answer.status_code, said) == (status, code) and text in answer.text

    await until(says)


@pytest.mark.parametrize("problem", [SECRET, NO_HOST])
def test_a_worker_that_cannot_be_used_is_named_everywhere(
    gateway: GatewayProcess, shared_redis: RedisServer, problem: str
) -> None:
    server = FakeServer(f"ws://{gateway.host}:{gateway.port}")

    async def main() -> None:
        async with worker_with_a_problem(shared_redis.url, problem):
            await ready(gateway, 503, "workers_unreachable", problem)
            found = await asyncio.to_thread(rt, server, "workers", "--once")
            assert "unreachable" in found.stdout
            assert problem in " ".join(found.stdout.split())
            async with client(gateway) as me:
                (error,) = await me.rest()
                assert error["message"] == f"no worker can be reached: {problem}"
                assert me.closed == (4503, "no_capacity")

    run(main())


def test_sessions_go_to_the_workers_that_can_be_used(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with worker_with_a_problem(shared_redis.url, SECRET), fake_worker(shared_redis.url) as good:
            await ready(gateway, 200, "ready", SECRET)
            for _ in range(3):
                async with client(gateway) as me:
                    assert (await me.event())["type"] == "session.begin"
            assert len(good.visits) == 3

    run(main())


def test_a_full_redis_is_called_so(own_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(own_redis.url) as gateway, own_redis.client() as look:
            server = FakeServer(f"ws://{gateway.host}:{gateway.port}")
            async with fake_worker(own_redis.url), client(gateway) as running:
                await running.event("session.begin")
                await ready(gateway, 200, "ready")
                look.config_set("maxmemory", 1)
                await ready(gateway, 503, "registry_unavailable", "Redis: it is full")
                found = await asyncio.to_thread(rt, server, "workers", "--once")
                assert found.exit_code != 0
                assert "Redis: it is full" in found.stderr
                async with client(gateway) as me:
                    (error,) = await me.rest()
                    assert "Redis: it is full; raise its maxmemory" in error["message"]
                await running.send(bytes(100))
                assert (await running.event())["text"] == "100"
                look.config_set("maxmemory", 0)
                await ready(gateway, 200, "ready")

    run(main())
