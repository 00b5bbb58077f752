"""Connects one session to its worker: audio and commands go there, events and progress come from there."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Close

from broker.records import Allocation
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import DalstonError
from dalston_realtime.protocol.events import MAX_EVENT_BYTES
from gateway.workers import websockets_adapter
from runtime.errors import SessionError
from runtime.plain_frames import PlainFrames
from runtime.tls import client_context
from runtime.worker_link import (
    PATH,
    BadLinkMessage,
    OpenSession,
    SessionRefused,
    WorkerMessage,
    decode_reply,
    decode_worker_message,
    encode,
)

PING_S: Final = 10.0  # Seconds between two pings.
# Seconds for the answer to a ping. It waits behind the audio that the worker has not taken yet: the send
# buffer and what the worker's side holds, about half a minute of speech, which takes less time to transcribe.
PONG_S: Final = 30.0
MEASURE_S: Final = 2.0  # Seconds between two measurements of the round trip.
CLOSE_S: Final = 0.5  # Seconds for the close handshake; a worker that is busy with nothing answers in ms.
UNAUTHORIZED: Final = 401


class WorkerSocket(PlainFrames, ClientConnection):
    """The connection to a worker, whose events are ordinary frames."""


class WorkerUnreachable(DalstonError):
    """No connection to a worker came about."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How to connect: seconds to open a session, seconds that a frame may take, the shared secret, and the
    file of the CA that is trusted in workers with TLS, where it is not the system's."""

    connect_timeout: float
    send_timeout: float
    secret: str
    ca: Path | None = None

    def tls(self, url: str) -> ssl.SSLContext | None:
        """The context for a URL, None where it is one without TLS."""
        return client_context(self.ca) if url.startswith("wss:") else None


@dataclass(frozen=True, slots=True)
class WorkerFrame:
    """What a frame of the worker says, None where it can't be read; and its size in bytes."""

    message: WorkerMessage | None
    size: int


class WorkerConnection:
    """One session's connection to its worker."""

    def __init__(self, connection: WorkerSocket, send_timeout: float) -> None:
        self.latency: float | None = None  # Seconds of the last ping's round trip, if it is measured.
        self.closed: Close | None = None  # How the worker closed, None while it has not or where it was lost.
        self._connection = connection
        self._send_timeout = send_timeout

    @classmethod
    async def open(
        cls, allocation: Allocation, request: OpenSession, options: ConnectOptions
    ) -> "WorkerConnection":
        """Connect to the allocated worker, and have it accept the session.

        Raises:
            WorkerUnreachable: it refuses or does not answer in time.
        """
        try:
            async with asyncio.timeout(options.connect_timeout):
                connection = await _connect(allocation, options)
                try:
                    await _request(connection, request)
                except BaseException:
                    websockets_adapter.abort(connection)
                    raise
        except InvalidStatus as error:
            status = error.response.status_code
            raise WorkerUnreachable(describe_refusal(allocation.worker_id, status)) from error
        except (OSError, WebSocketException, ValueError, DalstonError) as error:
            why = describe_failure(allocation.worker_id, allocation.endpoint, error)
            raise WorkerUnreachable(why) from error
        return cls(connection, options.send_timeout)

    async def measure_latency(self) -> NoReturn:
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
        """Send a frame if that needs no waiting; whether it was sent."""
        return self._connection.send_at_once(frame)

    async def send(self, frame: bytes | str) -> bool:
        """Send a frame; waits while the worker takes none. False if it has closed.

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

    async def frames(self) -> AsyncIterator[WorkerFrame]:
        """What the worker says, until the connection is closed; then `closed` is known."""
        try:
            while True:
                frame = await self._connection.recv()
                yield WorkerFrame(_read(frame), len(frame))
        except ConnectionClosed as error:
            self.closed = error.rcvd

    def abort(self) -> None:
        """Break the connection to a worker that is lost."""
        websockets_adapter.abort(self._connection)

    async def close(self, code: int) -> None:
        """Close, within `CLOSE_S` seconds; a worker that takes nothing any more is cut off."""
        await websockets_adapter.close_within(self._connection, code, CLOSE_S)


async def _connect(allocation: Allocation, options: ConnectOptions) -> WorkerSocket:
    connection = await connect(
        f"{allocation.endpoint}{PATH}",
        create_connection=WorkerSocket,
        ssl=options.tls(allocation.endpoint),
        open_timeout=None,  # The caller has a time-out for this and the worker's answer together.
        additional_headers={"Authorization": f"Bearer {options.secret}"},
        close_timeout=CLOSE_S,
        ping_interval=PING_S,
        ping_timeout=PONG_S,
        max_size=MAX_EVENT_BYTES,
        compression=None,
        proxy=None,
        user_agent_header=None,
    )
    assert isinstance(connection, WorkerSocket)
    websockets_adapter.bound_send_buffer(connection)
    return connection


async def _request(connection: WorkerSocket, request: OpenSession) -> None:
    """Have the worker accept the session.

    Raises:
        WorkerUnreachable: it refuses.
        BadLinkMessage: its answer can't be read.
        ConnectionClosed: it closes instead of answering, as a worker of another version may.
    """
    await connection.send(encode(request))
    reply = decode_reply(await connection.recv())
    if isinstance(reply, SessionRefused):
        raise WorkerUnreachable(f"{reply.message} (it speaks version {reply.version} of the link)")


def describe_refusal(worker_id: str, status: int) -> str:
    """What it means that a worker answers with this status."""
    if status == UNAUTHORIZED:
        return f"worker {worker_id} has another DALSTON_INTERNAL_SECRET than this gateway"
    return f"worker {worker_id} refused with HTTP {status}"


def describe_failure(worker_id: str, endpoint: str, error: Exception) -> str:
    """Why a worker can't be reached at its endpoint."""
    if isinstance(error, socket.gaierror):
        return f"the host of worker {worker_id} does not resolve: {endpoint}; see DALSTON_ADVERTISE_HOST"
    return f"worker {worker_id} can't be reached at {endpoint}: {str(error) or 'no answer in time'}"


def _read(frame: bytes | str) -> WorkerMessage | None:
    if isinstance(frame, bytes):
        return None
    try:
        return decode_worker_message(frame)
    except BadLinkMessage:
        return None
