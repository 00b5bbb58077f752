"""A URL in, an open WebSocket out, or a typed error that says why there is none."""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, ProxyError

from dalston_realtime.client.errors import RefusedError, UnreachableError, one_line, refused
from dalston_realtime.client.url import is_loopback

MAX_EVENT: Final = 8 << 20  # bytes of one event; the transcript of a day is smaller
SEND_BUFFER: Final = 128 << 10  # bytes, 4 s of audio: a ping or a flush does not wait behind more
OPEN_TIMEOUT: Final = 10.0  # s
CLOSE_TIMEOUT: Final = 2.0  # s
FIRST_RETRY_S: Final = 0.1
LAST_RETRY_S: Final = 2.0
UNAVAILABLE: Final = 503  # the HTTP status of a gateway that comes or goes
PING_INTERVAL: Final = 5.0  # s between measurements of the round trip
PING_TIMEOUT: Final = 60.0  # s; a pong waits behind the audio that a busy server has not read yet


async def open_connection(target: str, base: str, headers: Mapping[str, str] | None) -> ClientConnection:
    """A connection to `target` on the server at `base`.

    Raises:
        UnreachableError: nothing answers there.
        RefusedError: an HTTP status instead of the upgrade; bad values: `InvalidParameterError`.
    """
    try:
        connection = await connect(
            target,
            additional_headers=headers,
            proxy=None if is_loopback(base) else True,
            compression=None,
            max_size=MAX_EVENT,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
        )
    except InvalidStatus as error:
        body = error.response.body or b""
        raise refused(error.response.status_code, _decoded(body)) from None
    except (InvalidMessage, ProxyError, OSError, TimeoutError) as error:
        raise UnreachableError(base, _why(error)) from error
    except InvalidHandshake as error:
        raise UnreachableError(base, f"not a WebSocket server: {one_line(error)}") from error
    _limit_send_buffer(connection)
    return connection


async def retry(
    connect: Callable[[], Awaitable[ClientConnection]], seconds: float
) -> ClientConnection | None:
    """Try to connect, ever more rarely, for so many seconds; None if it is of no use."""
    clock = asyncio.get_running_loop().time
    until, pause = clock() + seconds, FIRST_RETRY_S
    while clock() < until:
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not all clients at once
        pause = min(2 * pause, LAST_RETRY_S)
        try:
            return await connect()
        except RefusedError as error:
            if error.status != UNAVAILABLE:
                return None
        except UnreachableError:
            continue
    return None


def _limit_send_buffer(connection: ClientConnection) -> None:
    sock = connection.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _decoded(body: bytes | bytearray) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return bytes(body).decode(errors="replace")


def _why(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT:g} s"
    return one_line(getattr(error, "strerror", None) or error, 120)
