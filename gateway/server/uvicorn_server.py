"""Makes the socket that clients connect to, and the uvicorn that serves it."""

import socket
from contextlib import suppress
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from gateway.server.uvicorn_adapter import DrainingServer, UvicornSockets, guarded_http
from gateway.settings import GatewaySettings
from runtime.addresses import cannot_listen

MAX_MESSAGE_BYTES: Final = 8 << 20  # Bytes, above the protocol's 1 MiB, so that the client is told.
PING_S: Final = 20.0  # Seconds between two pings to a client.
BACKLOG: Final = 2048  # Connections that wait to be accepted: a burst of reconnects after a restart.
# Bytes. Bounds the audio that waits in the kernel, 2 s at 16 kHz, and so how late a client's end is seen; and
# what is parsed at once, which holds up all others if it is thousands of tiny frames.
RECEIVE_BUFFER: Final = 64 << 10
SHUTDOWN_S: Final = 1  # Seconds for uvicorn's own shutdown, which follows our drain.


def bind(settings: GatewaySettings) -> socket.socket:
    """The socket that clients connect to; it does not listen yet.

    Raises:
        StartupError: the address or the port can't be had.
    """
    host, port = settings.gateway_host, settings.gateway_port
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise cannot_listen("gateway", host, port, error) from None
    try:
        return _bound(socket.socket(family, kind, proto), address, settings.client_timeout)
    except OSError as error:
        raise cannot_listen("gateway", host, port, error) from None


def bind_beside(settings: GatewaySettings, first: socket.socket) -> list[socket.socket]:
    """Sockets on the port of the first one, on the other addresses of its host name that can be had.

    A name such as `localhost` has one in each address family: clients choose which of them to try.
    """
    sockets, taken = list[socket.socket](), [first.getsockname()]
    found = socket.getaddrinfo(settings.gateway_host, taken[0][1], type=socket.SOCK_STREAM)
    for family, kind, proto, _, address in found:
        if address in taken:
            continue
        with suppress(OSError):  # A family that this machine does not have, for one.
            sockets.append(_bound(socket.socket(family, kind, proto), address, settings.client_timeout))
            taken.append(address)
    return sockets


def _bound(sock: socket.socket, address: Any, client_timeout: float) -> socket.socket:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(client_timeout * 1000))
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def make_server(app: ASGIApp, head_seconds: float) -> DrainingServer:
    """The server for `app`, to be run with `serve(sockets=[...])` and ended with `end_serving`.

    A client has `head_seconds` to send a complete request.
    """
    return DrainingServer(
        uvicorn.Config(
            UvicornSockets(app),
            http=guarded_http(head_seconds),
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            # A client that does not read, or sends faster than is transcribed, answers no ping for
            # minutes and is alive all the same. Whether its machine is, TCP finds out when something
            # is sent: the pings are for that.
            ws_ping_interval=PING_S,
            ws_ping_timeout=None,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
    )
