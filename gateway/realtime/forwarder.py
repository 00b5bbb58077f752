"""A client that comes back to another gateway than its session's: frames passed on both ways."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.concurrency import first_of
from gateway.realtime.connection import raising_disconnect

CONNECT_S: Final = 1.0  # to a gateway that lives
CLOSE_S: Final = 0.5
MAX_BYTES: Final = 8 << 20
GONE: Final = 1001  # what the other gateway is told of a client that said that it is done


class ForwardRefused(Exception):
    """The other gateway answered, and refused."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.body = status, body


class SessionForwarder:
    """A connection to the gateway that has the session."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, address: str, path: str, headers: Mapping[str, str]) -> "SessionForwarder | None":
        """Connect to the gateway at `address` (host:port); None if it is not there.

        Raises:
            Denied: it does not take the client.
        """
        try:
            connection = await connect(
                f"ws://{address}{path}",
                additional_headers=headers,
                open_timeout=CONNECT_S,
                close_timeout=CLOSE_S,
                max_size=MAX_BYTES,
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
            await first_of(self._to_session(client), self._to_client(client), self._stop(client, stopping))
        finally:
            await self._end()

    async def _to_session(self, client: WebSocket) -> None:
        while True:
            message = await client.receive()
            if message["type"] == "websocket.disconnect":
                if "reason" in message and message["code"] in (1000, 1001, 1005):
                    await self._connection.close(GONE)
                else:
                    self._connection.transport.abort()
                return
            try:
                frame = message["bytes"] if message.get("bytes") is not None else message["text"]
                await self._connection.send(frame)
            except ConnectionClosed:
                await asyncio.Event().wait()  # the other direction says why

    async def _to_client(self, client: WebSocket) -> None:
        try:
            while True:
                frame = await self._connection.recv()
                with raising_disconnect():
                    await (client.send_bytes(frame) if isinstance(frame, bytes) else client.send_text(frame))
        except ConnectionClosed:
            received = self._connection.protocol.close_rcvd
        except WebSocketDisconnect:
            self._connection.transport.abort()
            return
        if received is not None:  # else the session's gateway is lost, and so is this connection
            with raising_disconnect():
                await client.close(received.code, received.reason)

    async def _stop(self, client: WebSocket, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._connection.transport.abort()  # the session waits for its client
        with suppress(WebSocketDisconnect), raising_disconnect():
            await client.close(CloseCode.RESTARTING, CloseCode.RESTARTING.error)

    async def _end(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close(GONE)
        except TimeoutError:
            self._connection.transport.abort()
