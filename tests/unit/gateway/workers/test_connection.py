"""A worker that is asked for a session: it accepts, refuses, answers nonsense, or is of another version."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from broker.records import Allocation
from dalston_realtime.protocol.events import Final
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.workers.connection import ConnectOptions, WorkerConnection, WorkerFrame, WorkerUnreachable
from runtime.secret import is_authorized
from runtime.worker_link import (
    VERSION,
    OpenSession,
    SessionAccepted,
    SessionRefused,
    decode_open,
    encode,
)
from tests.support.managed_process import DEADLINE_S

REQUEST = OpenSession(version=VERSION, session_id="s", link_id="s", config=SessionConfig())
SECRET = "the secret of the tests"
Handler = Callable[[ServerConnection], Awaitable[None]]
Use = Callable[[WorkerConnection], Awaitable[None]]


def authorized(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse who does not know the secret."""
    if is_authorized(request.headers.get("Authorization"), SECRET):
        return None
    return connection.respond(HTTPStatus.UNAUTHORIZED, "")


def opened(handler: Handler, use: Use, options: ConnectOptions | None = None) -> None:
    """Open a session at a worker that does this, and use it."""

    async def main() -> None:
        async with (
            serve(
                handler, "127.0.0.1", 0, process_request=authorized, compression=None, close_timeout=1
            ) as server,
            asyncio.timeout(DEADLINE_S),
        ):
            port = next(iter(server.sockets)).getsockname()[1]
            slot = Allocation("w1", f"ws://127.0.0.1:{port}", "tiny")
            worker = await WorkerConnection.open(slot, REQUEST, options or ConnectOptions(5, 5, SECRET))
            try:
                await use(worker)
            finally:
                await worker.close(1001)

    asyncio.run(main())


async def nothing(_worker: WorkerConnection) -> None:
    """It is opened, and that is all."""


def answering(*frames: str | bytes) -> Handler:
    """A worker that says this after the request, and closes."""

    async def handler(connection: ServerConnection) -> None:
        assert decode_open(await connection.recv()) == REQUEST
        for frame in frames:
            await connection.send(frame)

    return handler


def test_frames_of_a_worker_are_decoded_and_what_is_none_is_said() -> None:
    frames: list[WorkerFrame] = []
    accepted, final = encode(SessionAccepted(version=VERSION)), encode(Final(text="Yes."))

    async def use(worker: WorkerConnection) -> None:
        async for frame in worker.frames():
            frames.append(frame)
        assert worker.closed is not None
        assert worker.closed.code == 1000
        assert not await worker.send(b"\0")

    bad = (b"{}", "", "{", "[]", "3", '{"type":1}', '{"text":"x"}', '{"type":"other"}')
    opened(answering(accepted, *bad, final), use)
    assert [frame.message for frame in frames] == [None] * len(bad) + [Final(text="Yes.")]
    assert frames[-1].size == len(final)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (encode(SessionRefused(version=7, message="link version 1 is not known here")), "speaks version 7"),
        ("{}", "not an answer"),
        (b"\0", "not an answer"),
        ('{"type":"session.begin","session_id":"s"}', "not an answer"),
    ],
)
def test_a_worker_that_does_not_accept_is_unreachable(answer: str | bytes, says: str) -> None:
    with pytest.raises(WorkerUnreachable, match=says):
        opened(answering(answer), nothing)


def test_a_worker_that_closes_instead_of_answering_is_unreachable() -> None:
    async def older(connection: ServerConnection) -> None:
        await connection.close(4400, "session_id is missing")

    with pytest.raises(WorkerUnreachable, match="session_id is missing"):
        opened(older, nothing)


def test_a_worker_that_does_not_answer_in_time_is_unreachable() -> None:
    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()

    with pytest.raises(WorkerUnreachable, match="no answer in time"):
        opened(silent, nothing, ConnectOptions(0.1, 5, SECRET))


def test_another_secret_is_named() -> None:
    with pytest.raises(WorkerUnreachable, match="another DALSTON_INTERNAL_SECRET"):
        opened(answering(), nothing, ConnectOptions(5, 5, "another"))


def test_a_worker_that_is_not_there_is_unreachable() -> None:
    async def main() -> None:
        slot = Allocation("w1", "ws://127.0.0.1:1", "tiny")
        await WorkerConnection.open(slot, REQUEST, ConnectOptions(5, 5, SECRET))

    with pytest.raises(WorkerUnreachable, match="worker w1"):
        asyncio.run(main())
