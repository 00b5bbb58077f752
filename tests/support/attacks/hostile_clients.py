"""Attacks a gateway as hostile clients do; each attack ends by itself after some seconds."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.support.gateway_process import GatewayProcess

FLOOD_S: Final = 4.0  # Seconds of a flood; without a guard it takes some 8 MB of memory in each.
PING: Final = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
CLIENTS: Final = 20
BREACHES: Final = 200
SLOTS: Final = 4  # Those that the honest clients leave.
LOUD: Final = "overflow=queue&sample_rate=192000&channels=8&encoding=pcm_f32le"  # 6 MB a second.

Attack: TypeAlias = Callable[[GatewayProcess], Coroutine[Any, Any, None]]


def open_client(gateway: GatewayProcess, query: str = "") -> connect:
    """A connection of a client that pings by itself and takes what comes."""
    return connect(
        gateway.url(query), proxy=None, compression=None, ping_interval=None, open_timeout=60, close_timeout=1
    )


def reset(client: ClientConnection) -> None:
    """End a connection by a TCP reset, without a word."""
    sock = client.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


@asynccontextmanager
async def all_slots(gateway: GatewayProcess) -> AsyncIterator[None]:
    """Hold the slots that the honest clients leave."""
    async with AsyncExitStack() as stack:
        for _ in range(SLOTS):
            client = await stack.enter_async_context(open_client(gateway))
            await client.recv()
        yield


async def ping_flood(gateway: GatewayProcess) -> None:
    """Pings whose pongs are not read."""
    async with open_client(gateway) as client:
        client.transport.pause_reading()
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until and not client.transport.is_closing():
            if client.transport.get_write_buffer_size() < 1 << 20:
                client.transport.write(PING * 1_000)
            await asyncio.sleep(0.001)
        client.transport.abort()


async def unfinished_messages(gateway: GatewayProcess) -> None:
    """Messages of 8 MiB that never end."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(gateway)) for _ in range(CLIENTS)]
        head = Frame(Opcode.BINARY, bytes(8 << 20)).serialize(mask=True)
        for client in clients:
            client.transport.write(head[:-1])
        until = time.monotonic() + FLOOD_S
        while time.monotonic() < until and any(c.transport.get_write_buffer_size() for c in clients):
            await asyncio.sleep(0.05)
        for client in clients:
            client.transport.abort()


async def text_that_is_no_utf8(gateway: GatewayProcess) -> None:
    """Text frames that are not UTF-8, each on a connection of its own."""
    for _ in range(BREACHES):
        async with open_client(gateway) as client:
            with suppress(ConnectionClosed):
                await client.send(b"\xff", text=True)
            client.transport.abort()


async def garbage_http(gateway: GatewayProcess) -> None:
    """Bytes that are no HTTP."""
    for _ in range(BREACHES):
        _, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(b"\x16\x03\x01 garbage\r\n\r\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


async def slow_body(gateway: GatewayProcess) -> None:
    """A body that comes byte by byte, until the gateway ends it or half a minute is over."""
    head = "PATCH /v1/realtime/sessions/x HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    await _until_ended(gateway, f"{head}content-length: 60000\r\n\r\n".encode(), b"x")


async def silence(gateway: GatewayProcess) -> None:
    """Connections on which nothing is said, until the gateway ends them or half a minute is over."""
    await asyncio.gather(*(_until_ended(gateway, b"", b"") for _ in range(CLIENTS)))


async def _until_ended(gateway: GatewayProcess, first: bytes, then: bytes) -> None:
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    writer.write(first)
    answer = asyncio.ensure_future(reader.read())
    for _ in range(30):
        writer.write(then)
        await asyncio.wait([answer], timeout=1)
        if answer.done():
            break
    answer.cancel()
    await asyncio.gather(answer, return_exceptions=True)
    writer.transport.abort()


async def resets_without_audio(gateway: GatewayProcess) -> None:
    """A client for each slot that is left, which breaks off as soon as it has it."""
    await _break_off(gateway, b"")


async def resets_with_audio(gateway: GatewayProcess) -> None:
    """The same with one frame of audio each."""
    await _break_off(gateway, bytes(3_200))


async def _break_off(gateway: GatewayProcess, audio: bytes) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(SLOTS):
            client = await stack.enter_async_context(open_client(gateway))
            await client.recv()
            if audio:
                await client.send(audio)
                await client.recv()
            reset(client)


async def waiting_clients(gateway: GatewayProcess) -> None:
    """Clients that wait for a slot, and send as much as they can."""
    async with all_slots(gateway), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(gateway, LOUD)) for _ in range(CLIENTS)]
        with suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_S):
                await asyncio.gather(*(_flood(client) for client in clients))
        for client in clients:
            client.transport.abort()


async def loud_session(gateway: GatewayProcess) -> None:
    """A session with 6 MB of audio in each second, of which no part is ever final."""
    async with open_client(gateway, LOUD) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_S):
                await _flood(client)
        client.transport.abort()


async def _flood(client: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            await client.send(bytes(1 << 19))


async def refused_clients(gateway: GatewayProcess) -> None:
    """Clients for whom there is no slot."""
    async with all_slots(gateway):
        for _ in range(BREACHES):
            async with open_client(gateway) as client:
                await client.wait_closed()


async def half_closed(gateway: GatewayProcess) -> None:
    """Sessions whose client says by TCP that nothing more comes, and never closes."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(open_client(gateway)) for _ in range(SLOTS)]
        for client in clients:
            await client.recv()
            client.transport.write_eof()
        await asyncio.gather(*(client.wait_closed() for client in clients))


ATTACKS: Final[tuple[Attack, ...]] = (
    ping_flood,
    unfinished_messages,
    text_that_is_no_utf8,
    garbage_http,
    slow_body,
    resets_without_audio,
    resets_with_audio,
    waiting_clients,
    loud_session,
    refused_clients,
    half_closed,
)
