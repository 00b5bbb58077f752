"""Makes the socket that clients connect to, and the uvicorn that serves it."""

import errno
import socket
import ssl
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from gateway.server.deadlines import ClientDeadlines
from gateway.server.guarded_sockets import guarded_sockets
from gateway.server.uvicorn_adapter import DrainingServer, UvicornSockets, guarded_http
from gateway.settings import GatewaySettings
from runtime.addresses import cannot_listen

LOCALHOST: Final = "localhost"  # The setting for both of these, since programs take one or the other for it.
LOOPBACK: Final = ("127.0.0.1", "::1")
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
    host = LOOPBACK[0] if host == LOCALHOST else host
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise cannot_listen("gateway", host, port, error) from None
    try:
        return _bound(found[0][0], found[0][4], settings.client_timeout)
    except OSError as error:
        raise cannot_listen("gateway", host, port, error) from None


def bind_other_family(settings: GatewaySettings, first: socket.socket) -> list[socket.socket]:
    """What also has to be listened on beside `first`: the IPv6 address of localhost, where there is one.

    Raises:
        StartupError: another program has the port there, and would get half of our clients.
    """
    if settings.gateway_host != LOCALHOST:
        return []
    port = first.getsockname()[1]
    try:
        return [_bound(socket.AF_INET6, (LOOPBACK[1], port, 0, 0), settings.client_timeout)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE and settings.gateway_port:
            raise cannot_listen("gateway", LOOPBACK[1], port, error) from None
        return []


def _bound(family: int, address: Any, client_timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(client_timeout * 1000))
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def make_server(
    app: ASGIApp, deadlines: ClientDeadlines, tls: ssl.SSLContext | None = None
) -> DrainingServer:
    """The server for `app`, to be run with `serve(sockets=[...])` and ended with `end_serving`."""
    return DrainingServer(
        uvicorn.Config(
            UvicornSockets(app),
            ssl_context_factory=(lambda _config, _default: tls) if tls else None,
            http=guarded_http(deadlines),
            ws=guarded_sockets(deadlines.unwritable),
            ws_max_size=MAX_FRAME_BYTES,
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
        ),
        deadlines.head,
    )
