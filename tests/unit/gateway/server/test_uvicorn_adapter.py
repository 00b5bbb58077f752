"""The contract with the private parts of uvicorn: another version that breaks it fails here."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import websockets.http11
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect

from gateway.server.deadlines import ClientDeadlines
from gateway.server.uvicorn_adapter import MAX_HEAD_BYTES, UvicornSockets
from gateway.server.uvicorn_server import make_server
from tests.support.certificates import make_certificate
from tests.support.managed_process import DEADLINE_S
from tests.support.uvicorn_apps import running, serve


async def refuse(scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that says no."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def answer(port: int, data: bytes) -> bytes:
    """What comes back for these bytes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_request_that_does_not_come_is_cut_off(data: bytes) -> None:
    async def test(port: int) -> None:
        with contextlib.suppress(ConnectionResetError):
            assert await answer(port, data) == b""

    serve(refuse, test, ClientDeadlines(head=0.05))


def test_a_client_that_does_not_begin_with_tls_is_cut_off(tmp_path: Path) -> None:
    async def test(port: int) -> None:
        with contextlib.suppress(ConnectionResetError):
            assert await answer(port, b"") == b""

    serve(refuse, test, ClientDeadlines(head=0.05), make_certificate(tmp_path).server_context())


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_client_that_sends_no_more_before_its_request_is_whole_is_cut_off_at_once(data: bytes) -> None:
    async def test(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()

    serve(refuse, test, ClientDeadlines(head=DEADLINE_S * 10))


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_head_that_is_too_long_is_answered(head: bytes) -> None:
    async def test(port: int) -> None:
        reply = await answer(port, head)
        assert reply.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"invalid_parameter"' in reply

    serve(refuse, test)


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers with the length of the body."""
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.mark.parametrize("length", [1, MAX_HEAD_BYTES, 3 * MAX_HEAD_BYTES, 5_000_000])
def test_a_body_may_be_longer_than_a_head(length: int) -> None:
    async def test(port: int) -> None:
        head = f"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        for body in (bytes(length), bytes(length - 1) + b"x"):
            assert f"\r\n{length}\r\n".encode() in await answer(port, head.encode() + body)

    serve(count, test)


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_hardly_grows_is_answered(chunked: bool) -> None:
    async def test(port: int) -> None:
        how = b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n" if chunked else b"content-length: 90\r\n\r\nx"
        reply = await answer(port, b"POST / HTTP/1.1\r\nhost: x\r\n" + how)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"timeout"' in reply
        assert await asyncio.wait_for(gone.wait(), DEADLINE_S)

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    gone = asyncio.Event()
    serve(app, test, ClientDeadlines(body=0.05))


def test_a_body_that_the_application_does_not_take_is_not_the_clients_fault() -> None:
    async def test(port: int) -> None:
        length = 1_000_000
        head = f"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        assert f"\r\n{length}\r\n".encode() in await answer(port, head.encode() + bytes(length))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        until = asyncio.get_running_loop().time() + 0.1  # Several of the body's deadlines.
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0)
        await count(scope, receive, send)

    serve(app, test, ClientDeadlines(body=0.01))


def test_websockets_takes_a_request_line_of_our_length() -> None:
    make_server(refuse, ClientDeadlines())
    assert websockets.http11.MAX_LINE_LENGTH == MAX_HEAD_BYTES


def test_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def test(_port: int) -> None:
        assert signal.getsignal(signal.SIGTERM) is before

    serve(refuse, test)


def ended_with(leave: Callable[[Any], Awaitable[None]]) -> int:
    """The code of the disconnect that the application sees when a client leaves like this."""
    codes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        await client.accept()
        while (message := await client.receive())["type"] != "websocket.disconnect":
            pass
        codes.append(message["code"])
        seen.set()

    async def test(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as connection:
            await leave(connection)
            await seen.wait()

    seen = asyncio.Event()
    serve(app, test)
    return codes[0]


def test_a_connection_that_broke_is_told_from_one_that_was_closed() -> None:
    async def close(connection: Any) -> None:
        await connection.close(1000)

    async def close_without_a_code(connection: Any) -> None:
        connection.protocol.send_close()
        connection.transport.write(b"".join(connection.protocol.data_to_send()))

    async def break_off(connection: Any) -> None:
        connection.transport.abort()

    async def half_close(connection: Any) -> None:
        connection.transport.write_eof()

    ways = (close, close_without_a_code, break_off, half_close)
    assert [ended_with(how) for how in ways] == [1000, 1005, 1006, 1006]


def test_a_send_after_uvicorn_has_closed_is_a_disconnect() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        await client.accept()
        await send({"type": "websocket.close", "code": 1000})  # behind starlette's back, as uvicorn does
        with pytest.raises(WebSocketDisconnect) as gone:
            await client.send_text("too late")
        codes.append(gone.value.code)

    async def test(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as connection:
            await connection.wait_closed()

    codes: list[int] = []
    serve(app, test)
    assert codes == [1006]


def test_what_is_no_websocket_passes_as_it_is() -> None:
    async def main() -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((receive, send))

        receive: Any = object()
        send: Any = object()
        await UvicornSockets(app)({"type": "http"}, receive, send)
        assert seen == [(receive, send)]

    seen: list[Any] = []
    asyncio.run(main())


def test_a_client_that_takes_no_close_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        client = WebSocket(scope, receive, send)
        await client.accept()
        await client.receive()

    async def main() -> None:
        async with running(app) as (server, serving, port):
            connection: Any = await connect(f"ws://127.0.0.1:{port}/", proxy=None)
            connection.transport.pause_reading()
            await server.end_serving(serving, 0.01)
            connection.transport.abort()
            await connection.wait_closed()

    asyncio.run(main())
