"""Passes frames on both ways for a client that came to another gateway than its session's."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection as GatewayConnection
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Close

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import MAX_EVENT_BYTES
from gateway.concurrency import first_of
from gateway.workers.websockets_adapter import abort
from runtime.tls import client_context

CONNECT_S: Final = 1.0  # Seconds to connect to a gateway that lives.
CLOSE_S: Final = 0.5  # Seconds for the close handshake with it.


class ForwardRefused(Exception):
    """The other gateway answered, and refused."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.body = status, body


class SessionForwarder:
    """A connection to the gateway that has the session."""

    def __init__(self, connection: GatewayConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(
        cls, address: str, path: str, headers: Mapping[str, str], tls_ca: Path | None = None
    ) -> "SessionForwarder | None":
        """Connect to the gateway at `address` (host:port, with TLS wss://host:port); None if it is not there.

        Raises:
            ForwardRefused: it does not take the client.
        """
        is_encrypted = address.startswith("wss:")
        try:
            connection = await connect(
                f"{address}{path}" if is_encrypted else f"ws://{address}{path}",
                ssl=client_context(tls_ca) if is_encrypted else None,
                additional_headers=headers,
                open_timeout=CONNECT_S,
                close_timeout=CLOSE_S,
                max_size=MAX_EVENT_BYTES,
                compression=None,
                proxy=None,
            )
        except InvalidStatus as error:
            raise ForwardRefused(error.response.status_code, bytes(error.response.body or b"")) from None
        except (OSError, WebSocketException, TimeoutError, ValueError):
            return None
        return cls(connection)

    async def serve(self, client: WebSocket, stopping: asyncio.Event) -> None:
        """Pass frames on until one side or this gateway is gone; the other side hears how."""
        try:
            await first_of(
                self._to_session(client), self._to_client(client), self._until_stopping(client, stopping)
            )
        finally:
            abort(self._connection)  # If it is still open, the session waits for its client.

    async def _to_session(self, client: WebSocket) -> None:
        while True:
            message = await client.receive()
            if message["type"] == "websocket.disconnect":
                if message["code"] == CloseCode.NORMAL:
                    await self._connection.close(CloseCode.NORMAL)
                else:
                    abort(self._connection)
                return
            try:
                frame = message["bytes"] if message.get("bytes") is not None else message["text"]
                await self._connection.send(frame)
            except ConnectionClosed:
                await asyncio.Event().wait()  # The other direction says why.

    async def _to_client(self, client: WebSocket) -> None:
        try:
            closed = await self._until_closed(client)
        except WebSocketDisconnect:
            abort(self._connection)
            return
        if closed is not None:  # Else the session's gateway is lost, and so is this connection.
            await client.close(closed.code, closed.reason)

    async def _until_closed(self, client: WebSocket) -> Close | None:
        """Pass events on; how the other gateway closed, None where it is lost."""
        try:
            while True:
                frame = await self._connection.recv()
                await (client.send_bytes(frame) if isinstance(frame, bytes) else client.send_text(frame))
        except ConnectionClosed as error:
            return error.rcvd

    async def _until_stopping(self, client: WebSocket, stopping: asyncio.Event) -> None:
        await stopping.wait()
        abort(self._connection)  # The session waits for its client.
        with suppress(WebSocketDisconnect):
            await client.close(CloseCode.RESTARTING, CloseCode.RESTARTING.error)
