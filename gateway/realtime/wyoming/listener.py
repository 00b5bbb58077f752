"""Listens for Wyoming clients on a TCP port of their own."""

import asyncio
import socket
from typing import Final

from gateway.realtime.connection_count import FULL
from gateway.realtime.listener import ListenerParts
from gateway.realtime.wyoming.connection import DIALECT, WyomingConnection
from gateway.realtime.wyoming.program import WyomingProgram
from gateway.realtime.wyoming.wire import MAX_LINE_BYTES
from runtime.addresses import cannot_listen
from runtime.logs import get_logger

log = get_logger(__name__)

BACKLOG: Final = 128  # Connections that wait to be accepted: those of the devices of a house.


class WyomingListener:
    """Serves each client that connects to `host` and `port`."""

    def __init__(self, host: str, port: int, parts: ListenerParts, program: WyomingProgram) -> None:
        self._host, self._port, self._parts, self._program = host, port, parts, program
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], WyomingConnection] = {}

    async def open(self) -> None:
        """Listen from now on.

        Raises:
            StartupError: the address or the port can't be had.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self._port, limit=MAX_LINE_BYTES, backlog=BACKLOG
            )
        except (OSError, UnicodeError) as error:
            raise cannot_listen("wyoming", self._host, self._port, error) from None
        port = self._server.sockets[0].getsockname()[1]
        log.info("serves Wyoming", host=self._host, port=port)

    def stop(self) -> None:
        """Take no new client, and let go of those without a request."""
        if self._server is not None:
            self._server.close()
        for connection in self._open.values():
            connection.stop()

    async def close(self) -> None:
        """Cut off who is still there."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _watch_machine(writer, self._parts.times.machine)
        connection = WyomingConnection(reader, writer, self._parts, self._program)
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = connection
        try:
            await self._serve(connection)
        except Exception:
            log.exception("a fault of ours")
        finally:
            del self._open[task]
            writer.close()

    async def _serve(self, connection: WyomingConnection) -> None:
        connections = self._parts.connections
        if connections.is_full:
            await connection.refuse(FULL, "no_capacity")
            return
        self._parts.metrics.dialects.labels(DIALECT).inc()
        with connections.counted():
            await connection.serve()


def _watch_machine(writer: asyncio.StreamWriter, seconds: float) -> None:
    """Have the connection break where the client's machine takes nothing for so long."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
