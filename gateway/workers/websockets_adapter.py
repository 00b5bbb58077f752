"""Reaches past the public interface of websockets' asyncio connections, where that costs too much.

Checked against websockets 17.4; tests/unit/gateway/workers/test_websockets_adapter.py fails where another
version behaves differently.

- `transport` is an attribute of the connection that the documentation leaves out. There is no public way to
  break a connection without a close handshake, or to its socket.
"""

import asyncio
import socket
from typing import Final

from websockets.asyncio.connection import Connection

SEND_BUFFER: Final = 256 << 10  # Bytes that wait in the kernel: 8 s of audio at 16 kHz.


def bound_send_buffer(connection: Connection) -> None:
    """Have the kernel hold no more than `SEND_BUFFER`, so that a slow peer is noticed."""
    raw_socket = connection.transport.get_extra_info("socket")
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def abort(connection: Connection) -> None:
    """Break a connection without a close handshake."""
    connection.transport.abort()


async def close_within(connection: Connection, code: int, seconds: float) -> None:
    """Close a connection; a peer that takes nothing any more is cut off after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await connection.close(code)
    except TimeoutError:
        abort(connection)
