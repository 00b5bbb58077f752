"""Holds many sessions at a gateway that begin, stay idle or send audio, and end."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from bench.load.chunks import CHUNK_S
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.url import STREAM_PATH

KEEPALIVE_S: Final = 20.0  # Seconds; a third of the time after which the server ends a session without input.
OPEN_S: Final = 30.0  # Seconds for a connection; thousands are opened by one process.
KEEPALIVE: Final = '{"type":"keepalive"}'
END: Final = '{"type":"end"}'
SILENCE: Final = bytes(CHUNK_BYTES)  # One chunk; a fake worker answers it as it does speech.


class IdleSessionError(Exception):
    """A session did not begin, or the server ended it."""


@dataclass(slots=True)
class IdleSessions:
    """Sessions at the gateway at `address`; those that are `speaking` send silence in real time.

    `began` has for each session the seconds from before the connection to `session.begin`.
    """

    address: str
    speaking: bool = False
    began: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _open: deque[ClientConnection] = field(default_factory=deque)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._open)

    async def start(self, count: int, interval: float) -> None:
        """Start `count` sessions, one every `interval` seconds; returns when all have begun or failed."""
        await self._at_intervals([self._start_one] * count, interval)
        while len(self) + len(self.errors) < count:  # noqa: ASYNC110 - connections that have a deadline
            await asyncio.sleep(interval)

    async def replace(self, count: int, interval: float) -> None:
        """End the oldest session and start a new one, `count` times, every `interval` seconds."""
        before = len(self.began) + len(self.errors)
        await self._at_intervals([self._end_oldest, self._start_one] * count, interval / 2)
        while len(self.began) + len(self.errors) < before + count:  # noqa: ASYNC110 - the same
            await asyncio.sleep(interval)

    async def end_all(self) -> None:
        """End all sessions."""
        while self._open:
            self._end_oldest()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=OPEN_S)
        for task in self._tasks:
            task.cancel()

    async def _at_intervals(self, acts: Sequence[Callable[[], None]], interval: float) -> None:
        start = time.monotonic()
        for number, act in enumerate(acts):
            await asyncio.sleep(max(0.0, start + number * interval - time.monotonic()))
            act()

    def _start_one(self) -> None:
        self._create_task(self._run_session())

    def _end_oldest(self) -> None:
        if self._open:
            self._create_task(_send_end(self._open.popleft()))

    def _create_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_session(self) -> None:
        start = time.monotonic()
        try:
            async with connect(
                f"ws://{self.address}{STREAM_PATH}",
                proxy=None,
                compression=None,
                ping_interval=None,
                open_timeout=OPEN_S,
            ) as connection:
                await _receive_begin(connection)
                self.began.append(time.monotonic() - start)
                self._open.append(connection)
                await self._stay_open(connection)
        except (OSError, WebSocketException, IdleSessionError, TimeoutError) as error:
            self.errors.append(str(error) or type(error).__name__)

    async def _stay_open(self, connection: ClientConnection) -> None:
        """Send and receive until the connection is closed; it is an error if we did not end the session."""
        sending = asyncio.create_task(self._send_regularly(connection))
        try:
            async for _ in connection:
                pass
        finally:
            sending.cancel()
        if connection in self._open:
            self._open.remove(connection)
            raise IdleSessionError(f"closed with {connection.close_code} {connection.close_reason}")

    async def _send_regularly(self, connection: ClientConnection) -> None:
        interval, frame = (CHUNK_S, SILENCE) if self.speaking else (KEEPALIVE_S, KEEPALIVE)
        due = time.monotonic()
        with suppress(ConnectionClosed):
            while True:
                due += interval
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await connection.send(frame)


async def _receive_begin(connection: ClientConnection) -> None:
    event = orjson.loads(await connection.recv())
    if event["type"] != "session.begin":
        raise IdleSessionError(str(event.get("message", event["type"])))


async def _send_end(connection: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        await connection.send(END)
