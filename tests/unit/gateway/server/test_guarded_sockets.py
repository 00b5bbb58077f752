"""Clients that flood, break the protocol of WebSockets or never read, at a real uvicorn."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from gateway.server.deadlines import ClientDeadlines
from gateway.server.guarded_sockets import PINGS, GuardedSockets
from tests.support.sockets import keep_little
from tests.support.uvicorn_apps import SOON, running

PING = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
TOLD = "what is wrong"


class Listener:
    """An application that takes messages, and tells who breaks the protocol before it closes."""

    def __init__(self) -> None:
        self.messages: list[bytes | str] = []
        self.ended = asyncio.Event()
        self.may_read = asyncio.Event()
        self.may_read.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        await client.accept()
        while True:
            await self.may_read.wait()
            message = await client.receive()
            if message["type"] == "websocket.disconnect":
                break
            self.messages.append(message["bytes"] if message.get("bytes") is not None else message["text"])
        self.ended.set()
        if "broken" in message:
            await client.send_text(TOLD)
            await client.close(4400, "told")


class ConnectedClient(NamedTuple):
    """What a test talks to: the application, our side of the connection, and the client's."""

    app: Listener
    own: GuardedSockets
    client: Any


@asynccontextmanager
async def connected(deadlines: ClientDeadlines = SOON, path: str = "/") -> AsyncIterator[ConnectedClient]:
    """A client of the application."""
    app = Listener()
    async with (
        running(app, deadlines) as (server, _serving, port),
        connect(f"ws://127.0.0.1:{port}{path}", proxy=None, compression=None) as client,
    ):
        (own,) = server.server_state.connections
        assert isinstance(own, GuardedSockets)
        yield ConnectedClient(app, own, client)
        client.transport.abort()
        await client.wait_closed()


async def end_of(client: ClientConnection) -> tuple[list[str | bytes], int | None]:
    """What comes until the close, and its code."""
    told = []
    try:
        while True:
            told.append(await client.recv())
    except ConnectionClosed:
        return told, client.close_code


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A client's frame."""
    return Frame(opcode, data, fin=fin).serialize(mask=True)


def test_some_services_put_more_into_one_message() -> None:
    async def main() -> None:
        async with connected(path="/v1/realtime?model=fast") as (app, _own, client):
            await client.send("a" * (MAX_FRAME_BYTES + 1))
            await client.close()
            await app.ended.wait()
            assert [len(message) for message in app.messages] == [MAX_FRAME_BYTES + 1]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b"\xe2", fin=False) + frame(Opcode.CONT, b"\x28"), 1007),
        (frame(Opcode.CONT, b"x"), 1002),
        (b"\xf1" + frame(Opcode.TEXT, b"x")[1:], 1002),
        (b"\x82\x01x", 1002),  # without a mask
        (frame(Opcode.BINARY, bytes(MAX_FRAME_BYTES + 1)), 4400),
        (frame(Opcode.BINARY, bytes(MAX_FRAME_BYTES), fin=False) + frame(Opcode.CONT, b"x"), 4400),
    ],
    ids=["text", "fragments", "continuation", "reserved", "unmasked", "long", "long-in-fragments"],
)
def test_who_breaks_the_protocol_is_told_before_the_close(
    wrong: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with connected() as (app, _own, client):
            client.transport.write(frame(Opcode.TEXT, b"first") + wrong + frame(Opcode.TEXT, b"later"))
            assert await end_of(client) == ([TOLD], code)
            assert app.messages == ["first"]

    asyncio.run(main())
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_message_of_the_greatest_length_is_taken_whole_or_in_fragments() -> None:
    async def main() -> None:
        async with connected() as (app, _own, client):
            half = bytes(MAX_FRAME_BYTES // 2)
            await client.send([half, b"", half])
            await client.send("é" * (MAX_FRAME_BYTES // 2))
            await client.send(["a", "b"])
            await client.close()
            await app.ended.wait()
            assert app.messages == [2 * half, "é" * (MAX_FRAME_BYTES // 2), "ab"]

    asyncio.run(main())


def test_fragments_without_a_byte_are_not_kept() -> None:
    async def main() -> None:
        async with connected() as (_app, own, client):
            empty = frame(Opcode.BINARY, b"", fin=False) + frame(Opcode.CONT, b"", fin=False) * 5_000
            client.transport.write(empty)
            await (await client.ping())
            assert own.conn.current_size == 0
            assert not own.frames

    asyncio.run(main())


async def flood(client: Any, own: GuardedSockets) -> None:
    """Send 1.3 MB of pings without reading a pong, until nothing more can be written."""
    keep_little(own.transport)
    client.transport.pause_reading()
    own.max_pings = 1_000_000  # Else they are read too slowly to fill anything.
    client.transport.write(PING * 10_000)
    while own.writable.is_set():
        await asyncio.sleep(0)


def test_a_client_that_floods_with_pings_and_does_not_read_is_not_read_either() -> None:
    async def main() -> None:
        async with connected() as (app, own, client):
            await flood(client, own)
            client.transport.write(frame(Opcode.TEXT, b"behind the pings"))
            assert not own.transport.is_reading()
            assert own.transport.get_write_buffer_size() < 500_000
            client.transport.resume_reading()
            await client.send("later")
            while not app.messages[1:]:
                await asyncio.sleep(0)
            assert app.messages == ["behind the pings", "later"]

    asyncio.run(main())


def test_a_client_that_floods_with_pings_is_not_read_for_a_while() -> None:
    async def main() -> None:
        async with connected() as (app, own, client):
            await client.send("before")
            client.transport.write(PING * PINGS + frame(Opcode.TEXT, b"behind the pings"))
            while not app.messages[1:]:
                await asyncio.sleep(0)
            assert not own.transport.is_reading()
            await client.send("later")
            while not app.messages[2:]:
                await asyncio.sleep(0)
            assert app.messages == ["before", "behind the pings", "later"]

    asyncio.run(main())


def test_reading_stays_paused_while_nothing_can_be_written_though_a_message_is_taken() -> None:
    async def main() -> None:
        async with connected() as (app, own, client):
            app.may_read.clear()
            await client.send("first")
            await client.send("second")
            await client.ping()
            while not own.read_paused:
                await asyncio.sleep(0)
            own.pause_writing()
            app.may_read.set()
            while "first" not in app.messages:
                await asyncio.sleep(0)
            assert not own.transport.is_reading()
            own.resume_writing()
            while "second" not in app.messages:
                await asyncio.sleep(0)

    asyncio.run(main())


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    async def main() -> None:
        async with connected(ClientDeadlines(unwritable=0.05)) as (app, own, client):
            await flood(client, own)
            await app.ended.wait()
            assert own.transport.get_write_buffer_size() == 0

    asyncio.run(main())
