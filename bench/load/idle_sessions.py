"""Sessions that come, stay or speak, and leave: how soon each began, and what went wrong, out."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from bench.measure.score import CHUNK_S
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.url import STREAM_PATH

KEEPALIVE_S: Final = 20.0  # a third of the time after which a silent session is ended
OPEN_S: Final = 30.0
KEEPALIVE: Final = '{"type":"keepalive"}'
END: Final = '{"type":"end"}'
SILENCE: Final = bytes(CHUNK_BYTES)


class Unwelcome(Exception):
    """A session did not begin."""


@dataclass(slots=True)
class IdleSessions:
    """Sessions at the gateway at `address`; those that are `speaking` send audio in real time."""

    address: str
    speaking: bool = False
    began: list[float] = field(default_factory=list)  # s from before the connection to session.begin
    errors: list[str] = field(default_factory=list)
    _present: deque[ClientConnection] = field(default_factory=deque)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._present)

    async def fill(self, count: int, pace: float) -> None:
        """Let `count` come, one every `pace` seconds; returns when all have begun or failed."""
        await self._regularly([self._come] * count, pace)
        while len(self) + len(self.errors) < count:  # noqa: ASYNC110 - connections that have a deadline
            await asyncio.sleep(pace)

    async def change(self, count: int, pace: float) -> None:
        """Let the oldest leave and a new one come, `count` times in turn, every `pace` seconds."""
        known = len(self.began) + len(self.errors)
        await self._regularly([self._go, self._come] * count, pace / 2)
        while len(self.began) + len(self.errors) < known + count:  # noqa: ASYNC110 - the same
            await asyncio.sleep(pace)

    async def leave(self) -> None:
        """Let all leave."""
        while self._present:
            self._go()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=OPEN_S)
        for task in self._tasks:
            task.cancel()

    async def _regularly(self, acts: Sequence[Callable[[], None]], pace: float) -> None:
        start = time.monotonic()
        for number, act in enumerate(acts):
            await asyncio.sleep(max(0.0, start + number * pace - time.monotonic()))
            act()

    def _come(self) -> None:
        self._do(self._stay())

    def _go(self) -> None:
        if self._present:
            self._do(_end(self._present.popleft()))

    def _do(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stay(self) -> None:
        start = time.monotonic()
        try:
            async with connect(
                f"ws://{self.address}{STREAM_PATH}",
                proxy=None,
                compression=None,
                ping_interval=None,
                open_timeout=OPEN_S,
            ) as connection:
                await _welcome(connection)
                self.began.append(time.monotonic() - start)
                self._present.append(connection)
                await self._serve(connection)
        except (OSError, WebSocketException, Unwelcome, TimeoutError) as error:
            self.errors.append(str(error) or type(error).__name__)

    async def _serve(self, connection: ClientConnection) -> None:
        acting = asyncio.create_task(self._act(connection))
        try:
            async for _ in connection:
                pass
        finally:
            acting.cancel()
        if connection in self._present:
            self._present.remove(connection)
            raise Unwelcome(f"closed with {connection.close_code} {connection.close_reason}")

    async def _act(self, connection: ClientConnection) -> None:
        pace, frame = (CHUNK_S, SILENCE) if self.speaking else (KEEPALIVE_S, KEEPALIVE)
        due = time.monotonic()
        with suppress(ConnectionClosed):
            while True:
                due += pace
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await connection.send(frame)


async def _welcome(connection: ClientConnection) -> None:
    event = orjson.loads(await connection.recv())
    if event["type"] != "session.begin":
        raise Unwelcome(str(event.get("message", event["type"])))


async def _end(connection: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        await connection.send(END)
