"""Runs `python -m gateway`: serves clients until the signal, and says on stdout when it can."""

import asyncio
import logging
import socket
from typing import Final

import uvloop

from gateway.app import GatewayApp
from gateway.http import STREAM_PATH
from gateway.server.deadlines import ClientDeadlines
from gateway.server.uvicorn_server import bind, bind_other_family, make_server
from gateway.settings import GatewaySettings
from runtime.addresses import reached_at, shown_at
from runtime.logs import configure_logging, get_logger
from runtime.process import Stop, run_main
from runtime.repeated_lines import count_repeats
from runtime.settings import raise_file_limit, read_settings
from runtime.tls import client_context, server_certificate

log = get_logger(__name__)

COLLECTOR: Final = "opentelemetry.exporter.otlp.common.http"  # Says each time that the collector is away.
LOOK_S: Final = 0.25  # Seconds between two looks for a worker, before the ready line.
SIGNAL_S: Final = 0.05  # Seconds by which a signal may be noticed late.
# Seconds of each step after the signal, which together leave time of the 3 s that the process has.
DRAIN_S: Final = 1.3
CLOSE_S: Final = 0.6
RELEASE_S: Final = 0.3
HAND_OVER_S: Final = 0.5


def main() -> None:
    """Run until the signal."""
    stop = Stop()
    settings = read_settings(GatewaySettings)
    configure_logging("gateway", settings.log_level, settings.log_format)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # Its lines show query strings.
    count_repeats("asyncio", "uvicorn.error", "gateway.server.guarded_sockets", COLLECTOR)
    raise_file_limit()
    with bind(settings) as sock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, sock, stop))


async def serve(settings: GatewaySettings, sock: socket.socket, stop: Stop) -> None:
    """Serve on `sock`; after the signal tell the clients, then end, all within three seconds."""
    sockets = [sock, *bind_other_family(settings, sock)]
    if settings.tls_ca:
        client_context(settings.tls_ca)  # Refused now, and not when the first client needs it.
    certificate = server_certificate(settings.tls_cert, settings.tls_key, "TLS")
    gateway = GatewayApp(settings, own_address(settings, sock))
    await gateway.open()
    server = make_server(
        gateway.asgi,
        ClientDeadlines(head=settings.handshake_timeout),
        certificate.context if certificate else None,
    )
    serving = asyncio.create_task(server.serve(sockets=sockets))
    helping = asyncio.create_task(gateway.run())
    announcing = asyncio.create_task(announce(gateway, settings, sock))
    helpers = [helping, announcing]
    if certificate:
        helpers.append(asyncio.create_task(certificate.run()))
    try:
        while not (stop.requested or serving.done() or helping.done()):  # noqa: ASYNC110 - set by a signal
            await asyncio.sleep(SIGNAL_S)
        await gateway.drain(DRAIN_S)
        await gateway.hand_over(HAND_OVER_S)
        await server.end_serving(serving, CLOSE_S)
        await gateway.release_slots(RELEASE_S)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.wait(helpers)
        await gateway.close()
    if not helping.cancelled():
        helping.result()  # Without it no slot and no session is held.


def own_address(settings: GatewaySettings, sock: socket.socket) -> str:
    """The host:port at which other gateways reach this one, with TLS as wss://host:port."""
    host, port = sock.getsockname()[:2]
    address = reached_at(host, port, settings.gateway_advertise_host)
    return f"wss://{address}" if settings.tls_cert else address


async def announce(gateway: GatewayApp, settings: GatewaySettings, sock: socket.socket) -> None:
    """Print a URL that clients can use as soon as a worker can take a session."""
    host, port = sock.getsockname()[:2]
    log.info("listening, waits for a worker", host=host, port=port)
    while not await gateway.has_capacity():  # noqa: ASYNC110 - an event of another process
        await asyncio.sleep(LOOK_S)
    scheme = "wss" if settings.tls_cert else "ws"
    shown = shown_at(host, port, settings.gateway_advertise_host)
    print(f"ready: {scheme}://{shown}{STREAM_PATH}", flush=True)


if __name__ == "__main__":
    run_main("gateway", main)
