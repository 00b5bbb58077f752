"""Plays the cases of the Autobahn suite against gateway and worker, and against echoes on their stacks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from kosoku import FailureError, run_fuzzingclient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.server import ServerConnection, serve

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from runtime.local_server import free_ports
from runtime.worker_link import PATH
from stages.receiver.guarded_connection import GuardedConnection
from stages.receiver.pipeline import StagePipeline
from stages.receiver.server import listening
from stages.receiver.settings import ReceiverSettings
from stages.receiver.worker import Worker
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import SECRET, GatewayProcess, until
from tests.support.redis_fixture import RedisServer
from tests.support.uvicorn_apps import running

CASES = [
    "1.*",
    "2.*",
    "3.*",
    "4.*",
    "5.*",
    "6.*",
    "7.*",
    "9.1.1",
    "9.1.2",
    "9.1.3",
    "9.2.1",
    "9.2.2",
    "9.2.3",
    "10.*",
]
# A close in the middle of a message: websockets answers 1002, the suite wants 1000, the RFC leaves it open.
OTHER = ["7.1.5"]


@asynccontextmanager
async def gateways_stack() -> AsyncIterator[int]:
    """An echo by the uvicorn of the gateway; the port."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        await client.accept()
        with suppress(WebSocketDisconnect):
            while (message := await client.receive())["type"] != "websocket.disconnect":
                if message.get("bytes") is not None:
                    await client.send_bytes(message["bytes"])
                else:
                    await client.send_text(message["text"])

    async with running(echo) as (_server, _serving, port):
        yield port


@asynccontextmanager
async def workers_stack() -> AsyncIterator[int]:
    """An echo by the server of the receiver; the port."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(
        echo,
        "127.0.0.1",
        0,
        create_connection=GuardedConnection,
        compression=None,
        max_size=MAX_FRAME_BYTES,
        max_queue=2,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@pytest.mark.parametrize("stack", [gateways_stack, workers_stack])
def test_the_cases_of_autobahn(stack: Callable[[], AbstractAsyncContextManager[int]]) -> None:
    async def main() -> None:
        async with stack() as port:
            url = f"ws://127.0.0.1:{port}/"
            try:
                assert len(await run_fuzzingclient(url, CASES, OTHER, concurrency=10)) > 240
            except FailureError as error:
                # Ten at once on a busy machine: the suite itself may be too slow to close. Alone it is not.
                failed = [result.case_id for result in error.results]
                assert len(await run_fuzzingclient(url, failed, [], concurrency=1)) == len(failed)

    asyncio.run(main())


PINGS: Final = ["2.1", "2.2", "2.3", "2.4", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11"]
CLOSES: Final = ["7.3.*", "7.7.*"]
CLOSED_WITH: Final = {
    1002: [
        "2.5",
        "3.1",
        "3.5",
        "3.6",
        "3.7",
        "4.1.1",
        "4.1.2",
        "4.2.1",
        "4.2.2",
        "5.1",
        "5.2",
        "5.9",
        "5.11",
        "7.9.*",
    ],
    1007: ["6.3.1", "6.4.1", "6.4.3"],
}
"""Cases whose first frame must be the last one, by the close code; what is said before may differ."""


async def failed(url: str, cases: Sequence[str]) -> list[Any]:
    """The cases that do not end as in an echo, each of which is played again alone."""
    try:
        await run_fuzzingclient(url, list(cases), [], concurrency=4)
    except FailureError as error:
        try:
            await run_fuzzingclient(url, [result.case_id for result in error.results], [], concurrency=1)
        except FailureError as again:
            return again.results
    return []


async def check_closes(url: str) -> None:
    """What breaks the protocol is answered with the right code, whatever else is said before."""
    for code, cases in CLOSED_WITH.items():
        wrong = [result for result in await failed(url, cases) if result.remote_close_code != code]
        assert [(r.case_id, r.remote_close_code) for r in wrong] == []


async def check_silent(url: str) -> None:
    """An endpoint that says nothing by itself answers pings and closes."""
    assert [(r.case_id, r.behavior.value) for r in await failed(url, [*PINGS, *CLOSES])] == []
    await check_closes(url)


def test_the_cases_of_autobahn_at_the_gateways_endpoints(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def is_ready() -> bool:
        answer = await asyncio.to_thread(gateway.get, "/v1/realtime/status")
        return bool(answer.json()["status"] == "ready")

    async def main() -> None:
        async with fake_worker(shared_redis.url):
            await until(is_ready)
            await check_silent(f"ws://{gateway.host}:{gateway.port}/v1/twilio/media")
            await check_closes(gateway.url("overflow=queue"))

    asyncio.run(main())
    assert [line for line in gateway.process.lines if "Traceback" in line] == []


async def authorize(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass a connection on to the worker, as one of a gateway: the suite can't set headers."""
    from_worker, to_worker = await asyncio.open_connection("127.0.0.1", port)
    line = await reader.readline()
    to_worker.write(line + f"Authorization: Bearer {SECRET}\r\n".encode())
    await asyncio.gather(_pass_on(reader, to_worker), _pass_on(from_worker, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def test_the_cases_of_autobahn_at_the_workers_endpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    settings = ReceiverSettings(receiver_port=port, run_dir=tmp_path, internal_secret=SECRET)

    async def main() -> None:
        pipeline = StagePipeline(settings.sockets, settings.fanout)
        async with listening(Worker(settings, pipeline), settings):
            proxy = await asyncio.start_server(partial(authorize, port), "127.0.0.1", 0)
            try:
                await check_silent(f"ws://127.0.0.1:{proxy.sockets[0].getsockname()[1]}{PATH}")
            finally:
                proxy.close()
                pipeline.close()

    asyncio.run(main())
    ours = [record for record in caplog.records if not record.name.startswith("asyncio")]  # Of the proxy.
    assert [record for record in ours if record.exc_info] == []
