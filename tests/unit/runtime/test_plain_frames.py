"""Ordinary frames past the parser of websockets are what they are by it; all others are left to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from runtime.plain_frames import PlainFrames, plain_frame, read_plain_frames
from tests.support.managed_process import DEADLINE_S

SIZES = [0, 1, 7, 12, 125, 126, 3_200, 65_535, 65_536, 70_000]
Handler = Callable[[ServerConnection], Awaitable[None]]


class PlainServer(PlainFrames, ServerConnection):
    """The worker's side."""


class PlainClient(PlainFrames, ClientConnection):
    """The gateway's side."""


def opened(max_size: int = 1 << 20) -> tuple[ClientProtocol, ServerProtocol]:
    """Both ends behind the handshake."""
    client, server = (
        ClientProtocol(parse_uri("ws://h/"), max_size=max_size),
        ServerProtocol(max_size=max_size),
    )
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    client.receive_data(b"".join(server.data_to_send()))
    client.events_received()
    return client, server


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize("is_masked", [True, False])
def test_a_frame_is_what_the_parser_makes_of_it(opcode: Opcode, size: int, is_masked: bool) -> None:
    reader = opened()[1 if is_masked else 0]
    payload = bytes(range(256)) * 300
    data = plain_frame(opcode, payload[:size], is_masked=is_masked)
    frames, rest = read_plain_frames(reader, data * 2)
    assert [(each.opcode, bytes(each.data), each.fin) for each in frames] == [
        (opcode, payload[:size], True)
    ] * (2 - len(rest) // len(data))
    assert not rest or len(data) < 14
    reader.receive_data(data)
    (parsed,) = reader.events_received()
    assert isinstance(parsed, Frame)
    assert (parsed.opcode, bytes(parsed.data)) == (opcode, payload[:size])


WHOLE = plain_frame(Opcode.BINARY, bytes(200), is_masked=True)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-1],
        WHOLE[:13],
        plain_frame(Opcode.BINARY, bytes(200), is_masked=False),
        plain_frame(Opcode.BINARY, bytes(1_001), is_masked=True),
        Frame(Opcode.PING, bytes(100)).serialize(mask=True),
        Frame(Opcode.CONT, bytes(200)).serialize(mask=True),
        Frame(Opcode.TEXT, bytes(200), fin=False).serialize(mask=True),
        b"\xc2" + WHOLE[1:],
    ],
    ids=lambda data: f"{data[0]:#x}-{len(data)}",  # The masks are random.
)
def test_what_is_no_whole_ordinary_frame_is_left_to_the_parser(data: bytes) -> None:
    server = opened(max_size=1_000)[1]
    assert read_plain_frames(server, data) == ([], data)
    frames, rest = read_plain_frames(server, WHOLE + data)
    assert (len(frames), rest) == (1, data)


@pytest.mark.parametrize(
    "before",
    [
        WHOLE[:1],
        WHOLE[:2],
        WHOLE[:8],
        WHOLE[:-1],
        WHOLE * 2 + WHOLE[:4],
        Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True),
        Frame(Opcode.CLOSE, b"").serialize(mask=True),
        b"\x83\x80",
    ],
    ids=lambda before: f"{before[0]:#x}-{len(before)}",  # The masks are random.
)
def test_a_frame_inside_of_something_else_is_left_to_the_parser(before: bytes) -> None:
    server = opened()[1]
    server.receive_data(before)
    assert read_plain_frames(server, WHOLE) == ([], WHOLE)


def test_a_frame_behind_whole_ones_is_read() -> None:
    server = opened()[1]
    server.receive_data(WHOLE * 2 + Frame(Opcode.PING, b"p").serialize(mask=True))
    assert read_plain_frames(server, WHOLE)[0]


@asynccontextmanager
async def connected(handler: Handler, compression: str | None = None) -> AsyncIterator[PlainClient]:
    """A connection to a server that does this."""
    async with (
        serve(
            handler, "127.0.0.1", 0, compression=compression, close_timeout=1, create_connection=PlainServer
        ) as server,
        asyncio.timeout(DEADLINE_S),
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(
            f"ws://127.0.0.1:{port}", compression=compression, proxy=None, create_connection=PlainClient
        ) as connection:
            assert isinstance(connection, PlainClient)
            yield connection


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_frames_that_are_sent_at_once_arrive_as_they_are_among_others(compression: str | None) -> None:
    sent: list[bytes | str] = ["grüße " * 9, b"between", b"\0\1\2" * 9, "", bytes(70_000), "end"]

    async def echo(connection: ServerConnection) -> None:
        async for frame in connection:
            await connection.send(frame)

    async def main() -> None:
        async with connected(echo, compression) as connection:
            await connection.ping()
            for frame in sent:
                assert connection.send_at_once(frame) is (compression is None)
                if compression is not None:
                    await connection.send(frame)
                assert await connection.recv() == frame
            await connection.send(iter(["in ", "parts"]))
            assert await connection.recv() == "in parts"
            await connection.close()
            assert not connection.send_at_once(b"too late")
            with pytest.raises(ConnectionClosed):
                await connection.send(b"too late")

    asyncio.run(main())


def test_nothing_is_sent_at_once_while_something_waits() -> None:
    async def deaf(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    async def main() -> None:
        async with connected(deaf) as connection:
            sent = 0
            while connection.send_at_once(bytes(1 << 16)):
                sent += 1
            assert 0 < sent < 1_000
            assert not connection.send_at_once(b"\0")
            connection.transport.abort()

    asyncio.run(main())
