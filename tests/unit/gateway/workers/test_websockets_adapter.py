"""The contract with the private parts of websockets: another version that breaks it fails here."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.workers.websockets_adapter import (
    SEND_BUFFER,
    abort,
    bound_send_buffer,
    close_within,
)
from tests.support.managed_process import DEADLINE_S

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[ClientConnection]:
    """A connection to a server that does this."""
    async with (
        serve(handler, "127.0.0.1", 0, compression=None, close_timeout=1) as server,
        asyncio.timeout(DEADLINE_S),
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", compression=None, proxy=None) as connection:
            yield connection


async def deaf(connection: ServerConnection) -> None:
    """Read nothing."""
    connection.transport.pause_reading()
    await connection.wait_closed()


def test_the_send_buffer_is_bounded() -> None:
    async def main() -> None:
        async with connected(deaf) as connection:
            bound_send_buffer(connection)
            raw = connection.transport.get_extra_info("socket")
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER  # as Linux counts
            abort(connection)

    asyncio.run(main())


def test_an_aborted_connection_is_over_at_once_and_has_no_close_frame() -> None:
    async def main() -> None:
        async with connected(deaf) as connection:
            abort(connection)
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is None

    asyncio.run(main())


def test_a_peer_that_does_not_answer_the_close_is_cut_off() -> None:
    async def main() -> None:
        async with connected(deaf) as connection:
            await close_within(connection, 1001, 0.01)
            await connection.wait_closed()

    asyncio.run(main())


def test_the_close_of_the_peer_is_known() -> None:
    async def closes(connection: ServerConnection) -> None:
        await connection.close(4010, "lag_exceeded")

    async def main() -> None:
        async with connected(closes) as connection:
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4010, "lag_exceeded")

    asyncio.run(main())
