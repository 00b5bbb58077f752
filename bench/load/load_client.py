"""Many sessions that all play the same audio in, what the server's own processes added to each result out.

The client shares the machine with what it measures, so it is as cheap as can be: frames are made once and
masked once, one loop sends what is due, and of what comes back only the partials are looked at.
"""

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.measure.score import CHUNK_S
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.url import stream_url
from runtime.worker_link import PATH as WORKER_PATH

OPENING: Final = 0.005  # s between the starts of two sessions: the chunks spread, and the gateway keeps up
STRIDE: Final = 7  # chunks between the places at which two sessions begin
PATIENCE_S: Final = 30.0  # for the last results, behind the audio
MAX_EVENT: Final = 8 << 20  # bytes


@dataclass(slots=True)
class LoadClient:
    """Sessions that play `pcm`, each from another place in it, for `seconds`, connected to by `door`.

    `added` is how late each partial was (s), `late` how late each chunk left (s): the client's own fault.
    """

    door: "Entrance"
    pcm: bytes
    seconds: float
    added: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    sent: int = 0
    errors: list[str] = field(default_factory=list)

    async def play(self, sessions: int) -> None:
        """All of them, side by side."""
        pace = Pace(self, frames(self.pcm), round(self.seconds / CHUNK_S))
        running = asyncio.create_task(pace.run())
        try:
            callers = [asyncio.create_task(self._one(number, pace)) for number in range(sessions)]
            await asyncio.gather(*callers)
        finally:
            running.cancel()

    async def _one(self, number: int, pace: "Pace") -> None:
        await asyncio.sleep(number * OPENING)
        uri = parse_uri(self.door.url(number))
        caller = LoadConnection(ClientProtocol(uri, max_size=MAX_EVENT), self.door.secret, self.added.append)
        try:
            async with asyncio.timeout(self.seconds + PATIENCE_S):
                await asyncio.get_running_loop().create_connection(lambda: caller, uri.host, uri.port)
                await caller.opened
                pace.add(caller, number * STRIDE)
                await caller.ended
        except (OSError, WebSocketException, CallFailed) as failure:
            self.errors.append(str(failure))
        except TimeoutError:
            self.errors.append("no end in time")
        finally:
            caller.hang_up()


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where sessions connect: the gateway at `base`, or with its `secret` the worker there."""

    base: str
    secret: str | None = None

    def url(self, number: int) -> str:
        """The address of session `number`."""
        if self.secret is None:
            return stream_url(self.base, {})
        return f"{self.base}{WORKER_PATH}?session_id=crowd-{number}-{time.monotonic_ns()}"


class CallFailed(Exception):
    """The server ended a session, or refused it."""


class LoadConnection(asyncio.Protocol):
    """One session; `opened` and `ended` are over when it is, or fail with the reason."""

    def __init__(self, protocol: ClientProtocol, secret: str | None, heard: Callable[[float], None]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.left: list[float] = []  # when each chunk left
        self._protocol, self._secret, self._heard = protocol, secret, heard
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the session."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        request = self._protocol.connect()
        if self._secret is not None:
            request.headers["Authorization"] = f"Bearer {self._secret}"
        self._protocol.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Take what the server says."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._begin()
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._hear(orjson.loads(event.data))
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        """Over, one way or the other."""
        failure = self._protocol.handshake_exc or CallFailed(str(exc or self._reason()))
        self._fail(failure)

    def send(self, frame: bytes) -> None:
        """Send a frame that is ready to go."""
        if self._transport is not None and not self.ended.done():
            self._transport.write(frame)

    def hang_up(self) -> None:
        """Let go of the connection."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(CallFailed("hung up"))

    def _begin(self) -> None:
        if self._protocol.state is State.OPEN and not self.opened.done():
            self.opened.set_result(None)

    def _hear(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "transcript.partial", "end": float() | int() as end}:
                chunk = chunk_with(end)
                if chunk < len(self.left):
                    self._heard(time.monotonic() - self.left[chunk])
            case {"type": "error", "recoverable": False, "message": str() as message}:
                self._fail(CallFailed(message))
            case {"type": "session.end"} if not self.ended.done():
                self.ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        for future in (self.opened, self.ended):
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody has to look at both

    def _reason(self) -> str:
        code = self._protocol.close_code
        return "the connection was lost" if code is None else f"closed with {code}"

    def _write(self) -> None:
        if self._transport is not None and (data := b"".join(self._protocol.data_to_send())):
            self._transport.write(data)


class Pace:
    """Sends the chunks of all sessions, each when its last sample would have been recorded."""

    def __init__(self, crowd: LoadClient, frames: Sequence[bytes], chunks: int) -> None:
        self._crowd, self._frames, self._chunks = crowd, frames, chunks
        self._due: list[
            tuple[float, int, LoadConnection, int, int]
        ] = []  # when, tie break, who, place, chunk
        self._more = asyncio.Event()
        self._added = 0

    def add(self, caller: LoadConnection, place: int) -> None:
        """A session begins now, at chunk `place` of the audio."""
        self._added += 1
        heapq.heappush(self._due, (time.monotonic() + CHUNK_S, self._added, caller, place, 0))
        self._more.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if not self._due:
                self._more.clear()
                await self._more.wait()
            self._send_due(time.monotonic())
            if self._due:
                await asyncio.sleep(max(0.0, self._due[0][0] - time.monotonic()))

    def _send_due(self, now: float) -> None:
        while self._due and (due := self._due[0][0]) <= now:
            _, order, caller, place, chunk = self._due[0]
            if chunk == self._chunks or caller.ended.done():
                heapq.heappop(self._due)
                caller.send(END)
                continue
            caller.left.append(time.monotonic())
            caller.send(self._frames[(place + chunk) % len(self._frames)])
            self._crowd.late.append(caller.left[-1] - due)
            self._crowd.sent += 1
            heapq.heapreplace(self._due, (due + CHUNK_S, order, caller, place, chunk + 1))


def frames(pcm: bytes) -> list[bytes]:
    """The whole chunks of `pcm` as a client's binary frames, masked."""
    whole = range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)
    return [Frame(Opcode.BINARY, pcm[at : at + CHUNK_BYTES]).serialize(mask=True) for at in whole]


END: Final = Frame(Opcode.TEXT, b'{"type":"end"}').serialize(mask=True)


def chunk_with(end: float) -> int:
    """The number of the chunk, from 0, that has the last sample before `end` seconds."""
    return max(0, int(end / CHUNK_S - 1e-6))
