"""Opens the WebSocket of a session, or raises a typed error that says why there is none."""

import errno
import random
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidProxy, InvalidStatus, ProxyError

from dalston_realtime.client.clock import AsyncClock
from dalston_realtime.client.errors import (
    NO_TLS,
    NO_TLS_ADVICE,
    NOT_TRUSTED,
    NOT_TRUSTED_ADVICE,
    ProxyUnusableError,
    RefusedError,
    UnreachableError,
    one_line,
    refused,
)
from dalston_realtime.client.url import is_loopback, port_note
from dalston_realtime.protocol.events import MAX_EVENT_BYTES

SEND_BUFFER_BYTES: Final = 128 << 10  # 4 s of audio at 16 kHz: a ping or a flush does not wait behind more.
OPEN_TIMEOUT_S: Final = 10.0  # Seconds for the whole way to the upgrade, proxies and TLS included.
CLOSE_TIMEOUT_S: Final = 2.0  # Seconds for the server's close frame, which nobody needs any more.
FIRST_PAUSE_S: Final = 0.1  # Seconds before the first new try; each pause doubles the one before it.
LAST_PAUSE_S: Final = 2.0  # Seconds between two tries at most, so that a server that is back is found soon.
UNAVAILABLE: Final = 503  # The HTTP status of a gateway that is starting or stopping.
PING_INTERVAL_S: Final = 5.0  # Seconds between two measurements of the round trip.
PING_TIMEOUT_S: Final = 60.0  # Seconds; a pong waits behind the audio that a busy server has not read yet.


async def open_connection(target: str, base: str, headers: Mapping[str, str] | None) -> ClientConnection:
    """A connection to `target` on the server at `base`.

    Raises:
        UnreachableError: nothing answers there.
        ProxyUnusableError: the environment names a proxy that can't be used.
        RefusedError: an HTTP status instead of the upgrade; bad values: `InvalidParameterError`.
    """
    try:
        connection = await connect(
            target,
            additional_headers=headers,
            proxy=None if is_loopback(base) else True,
            compression=None,
            max_size=MAX_EVENT_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
        )
    except InvalidStatus as error:
        body = error.response.body or b""
        raise refused(error.response.status_code, _decoded(body)) from None
    except (InvalidProxy, ImportError) as error:  # SOCKS needs a package that the client does without
        raise ProxyUnusableError(error) from None
    except (InvalidMessage, ProxyError, OSError, TimeoutError) as error:
        raise UnreachableError(base, _reason(error) + port_note(base)) from error
    except InvalidHandshake as error:
        raise UnreachableError(base, f"not a WebSocket server: {one_line(error)}") from error
    _limit_send_buffer(connection)
    return connection


async def reopen(
    connect: Callable[[], Awaitable[ClientConnection]],
    seconds: float,
    clock: AsyncClock,
    jitter: Callable[[float, float], float] = random.uniform,
) -> ClientConnection | None:
    """A connection by `connect`, which is tried for so many seconds with growing pauses.

    None if none came, or if the server refused. Before the first try there is a pause too, and each is
    shortened by chance, so that not all clients of a gateway that restarts come back at once.
    (Not stamina: it tries at once, and it reports retries through hooks of the whole process, which print to
    stdout where structlog is installed. A library can't turn them off for itself alone.)
    """
    until, pause = clock.now() + seconds, FIRST_PAUSE_S
    while clock.now() < until:
        await clock.sleep(pause * jitter(0.5, 1.0))
        pause = min(2 * pause, LAST_PAUSE_S)
        try:
            return await connect()
        except RefusedError as error:
            if error.status != UNAVAILABLE:
                return None
        except UnreachableError:
            continue
    return None


def _limit_send_buffer(connection: ClientConnection) -> None:
    """Keep the kernel from taking minutes of audio, behind which a ping would wait."""
    sock = connection.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _decoded(body: bytes | bytearray) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return bytes(body).decode(errors="replace")


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "connection refused"  # asyncio joins the errors of several addresses in one text
    if NO_TLS in str(error):
        return NO_TLS_ADVICE
    if NOT_TRUSTED in str(error):
        return NOT_TRUSTED_ADVICE
    if isinstance(error, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT_S:g} s"
    return one_line(getattr(error, "strerror", None) or error, 120) or "it ended the connection"
