"""Listens for Riva clients on a gRPC port of their own."""

import asyncio
import errno
from typing import Final

import grpc

from gateway.realtime.listener import ListenerParts, bracketed
from gateway.realtime.riva.service import RivaService
from runtime.addresses import cannot_listen
from runtime.logs import get_logger

log = get_logger(__name__)

MAX_MESSAGE_BYTES: Final = 8 << 20  # Bytes of a message: a recording of four minutes at 16 kHz.
MAX_METADATA_BYTES: Final = 16 << 10  # Bytes of the metadata of a call: a signed token has some hundred.
WINDOW_BYTES: Final = 64 << 10  # Bytes of a stream that wait for us: 2 s at 16 kHz, as on a WebSocket.
PING_S: Final = 20.0  # Seconds between two pings to a client.
STOP_S: Final = 1.2  # Seconds for the calls to end after the signal, as for WebSockets.


class RivaListener:
    """Serves each client that connects to `host` and `port`."""

    def __init__(self, host: str, port: int, parts: ListenerParts) -> None:
        self._host, self._port, self._parts = host, port, parts
        self._server: grpc.aio.Server | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen from now on.

        Raises:
            StartupError: the address or the port can't be had.
        """
        host = bracketed(self._host)
        self._server = grpc.aio.server(options=_options(self._parts.times.machine))
        self._server.add_generic_rpc_handlers((RivaService(self._parts, host).handlers,))
        try:
            port = self._server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError:
            error = OSError(errno.EADDRINUSE, "")
            raise cannot_listen("riva", self._host, self._port, error) from None
        await self._server.start()
        log.info("serves Riva", host=self._host, port=port)

    def stop(self) -> None:
        """Take no new call; those that run end with their sessions."""
        if self._server is not None:
            self._stopping = asyncio.create_task(self._server.stop(STOP_S))

    async def close(self) -> None:
        """Cut off who is still there."""
        if self._server is not None:
            await self._server.stop(None)


def _options(machine_seconds: float) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.compression_enabled_algorithms_bitset", 1),  # None: what is unpacked has no bound.
        ("grpc.http2.bdp_probe", 0),  # It would let the window grow.
        ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
        ("grpc.keepalive_time_ms", int(PING_S * 1000)),
        ("grpc.keepalive_timeout_ms", int(machine_seconds * 1000)),
    ]
