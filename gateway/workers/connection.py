"""The gateway's connection to a worker: audio and messages in, protocol events without `seq` out."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import quote

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from broker.records import Allocation
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import DalstonError
from runtime.errors import SessionError
from runtime.worker_link import PATH

MAX_EVENT_BYTES: Final = 8 << 20  # session.end carries the transcript of hours
PING_S: Final = 10.0
# A pong waits behind the audio that the worker has not taken yet: the send buffer below and what the
# worker's side holds, about half a minute of speech, which takes less time than that to transcribe.
PONG_S: Final = 30.0
SEND_BUFFER: Final = 256 << 10
MEASURE_S: Final = 2.0
CLOSE_S: Final = 0.5
UNAUTHORIZED: Final = 401


class WorkerUnreachable(DalstonError):
    """No connection to a worker came about."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How to connect: seconds to get a connection, seconds that a frame may take, and the shared secret."""

    connect_timeout: float
    send_timeout: float
    secret: str


class WorkerConnection:
    """One session's connection to its worker."""

    def __init__(self, connection: ClientConnection, send_timeout: float) -> None:
        self.latency: float | None = None  # the last ping's round trip in seconds, if measured
        self._connection = connection
        self._send_timeout = send_timeout

    @classmethod
    async def open(
        cls,
        allocation: Allocation,
        session_id: str,
        query: str,
        terms: ConnectOptions,
    ) -> "WorkerConnection":
        """Connect to the allocated worker for the session that `query` describes.

        Raises:
            WorkerUnreachable: it refuses or does not answer in time.
        """
        uri = f"{allocation.endpoint}{PATH}?session_id={quote(session_id)}&{query}".rstrip("&")
        try:
            connection = await connect(
                uri,
                open_timeout=terms.connect_timeout,
                additional_headers={"Authorization": f"Bearer {terms.secret}"},
                close_timeout=CLOSE_S,
                ping_interval=PING_S,
                ping_timeout=PONG_S,
                max_size=MAX_EVENT_BYTES,
                compression=None,
                proxy=None,
                user_agent_header=None,
            )
        except InvalidStatus as error:
            raise WorkerUnreachable(_refused(allocation.worker_id, error.response.status_code)) from error
        except (OSError, WebSocketException, ValueError) as error:
            raise WorkerUnreachable(f"worker {allocation.worker_id}: {error}") from error
        raw_socket = connection.transport.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return cls(connection, terms.send_timeout)

    async def measure(self) -> NoReturn:
        """Keep `latency` up to date; not by the connection's own pings, whose clock counts in ms."""
        while True:
            started = time.perf_counter()
            try:
                await (await self._connection.ping())
            except ConnectionClosed:
                await asyncio.Event().wait()
            self.latency = time.perf_counter() - started
            await asyncio.sleep(MEASURE_S)

    def send_at_once(self, frame: bytes | str) -> bool:
        """Pass a client's frame on if that needs no waiting; whether it did."""
        protocol, transport = self._connection.protocol, self._connection.transport
        if protocol.state is not State.OPEN or transport.get_write_buffer_size():
            return False
        if isinstance(frame, str):
            protocol.send_text(frame.encode())
        else:
            protocol.send_binary(frame)
        transport.write(b"".join(protocol.data_to_send()))
        return True

    async def send(self, frame: bytes | str) -> bool:
        """Pass a client's frame on; waits while the worker takes none. False if it has closed.

        Raises:
            SessionError: the worker takes none for too long.
        """
        try:
            if self.send_at_once(frame):
                return True
            async with asyncio.timeout(self._send_timeout):
                await self._connection.send(frame)
        except ConnectionClosed:
            return False
        except TimeoutError:
            raise SessionError(CloseCode.INTERNAL, "the worker takes no audio") from None
        return True

    async def frames(self) -> AsyncIterator[bytes | str]:
        """The worker's frames, until the connection is closed."""
        try:
            while True:
                yield await self._connection.recv()
        except ConnectionClosed:
            return

    @property
    def close_code(self) -> int | None:
        """The code that the worker closed with, None while it has not or where it was lost."""
        frame = self._connection.protocol.close_rcvd
        return frame.code if frame else None

    @property
    def close_reason(self) -> str:
        """The reason that came with it."""
        return self._connection.close_reason or ""

    def abort(self) -> None:
        """Break the connection to a worker that is lost."""
        self._connection.transport.abort()

    async def close(self, code: int) -> None:
        """Close, within `CLOSE_S` seconds; a worker that takes nothing any more is cut off."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close(code)
        except TimeoutError:
            self.abort()


def _refused(worker_id: str, status: int) -> str:
    if status == UNAUTHORIZED:
        return f"worker {worker_id} has another DALSTON_INTERNAL_SECRET"
    return f"worker {worker_id} refused with HTTP {status}"


def decode_event(frame: bytes | str) -> dict[str, Any] | None:
    """The event in a worker's frame, or None if it is not one."""
    if isinstance(frame, bytes):
        return None
    try:
        event = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None
