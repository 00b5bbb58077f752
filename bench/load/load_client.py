"""Plays the same audio in many sessions at once, and measures the latency that the server adds to partials.

The client shares the machine with the server that it measures, so it uses little CPU time: frames are made
and masked once, one loop sends all chunks that are due, and only partials are read from what comes back.
"""

import asyncio
import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from websockets.exceptions import WebSocketException
from websockets.uri import parse_uri

from bench.load.chunks import CHUNK_S
from bench.load.load_connection import LoadConnection, LoadSessionError
from bench.load.masked_frames import binary_frames, text_frame
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.url import stream_url
from dalston_realtime.protocol.parameters import SessionConfig
from runtime.worker_link import PATH as WORKER_PATH
from runtime.worker_link import VERSION, OpenSession, encode

START_INTERVAL_S: Final = 0.005  # Seconds between session starts: chunks spread, and the gateway keeps up.
STRIDE: Final = 7  # Chunks between the positions at which sessions begin, so that their audio differs.
END_WAIT_S: Final = 30.0  # Seconds behind the audio for the last results; an overloaded server needs some.
END: Final = text_frame(b'{"type":"end"}')


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """The server to connect to: the gateway at `base`, or with its `secret` the worker at `base`."""

    base: str
    secret: str | None = None

    def session_url(self, number: int) -> str:
        """The address of session `number`."""
        if self.secret is None:
            return stream_url(self.base, {})
        return f"{self.base}{WORKER_PATH}"

    def open_request(self, number: int) -> str | None:
        """What a worker has to get before the audio of session `number`; None for the gateway."""
        if self.secret is None:
            return None
        name = f"load-{number}-{time.monotonic_ns()}"
        request = OpenSession(version=VERSION, session_id=name, link_id="", config=SessionConfig())
        return encode(request)


@dataclass(slots=True)
class LoadClient:
    """Sessions at `target` that play `pcm` for `seconds`, each from another position in it.

    `added` is the added latency of each partial, `late` by how much each chunk left too late, which is the
    client's own fault; both in seconds. `sent` counts the chunks.
    """

    target: LoadTarget
    pcm: bytes
    seconds: float
    added: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    sent: int = 0
    errors: list[str] = field(default_factory=list)

    async def play(self, sessions: int) -> None:
        """Run so many sessions side by side, to their end."""
        scheduler = ChunkScheduler(self, chunk_frames(self.pcm), round(self.seconds / CHUNK_S))
        running = asyncio.create_task(scheduler.run())
        try:
            tasks = [asyncio.create_task(self._run_session(n, scheduler)) for n in range(sessions)]
            await asyncio.gather(*tasks)
        finally:
            running.cancel()

    async def _run_session(self, number: int, scheduler: "ChunkScheduler") -> None:
        await asyncio.sleep(number * START_INTERVAL_S)
        uri = parse_uri(self.target.session_url(number))
        request = self.target.open_request(number)
        connection = LoadConnection(uri, self.target.secret, request, self.added.append)
        try:
            async with asyncio.timeout(self.seconds + END_WAIT_S):
                await asyncio.get_running_loop().create_connection(lambda: connection, uri.host, uri.port)
                await connection.opened
                scheduler.add_session(connection, number * STRIDE)
                await connection.ended
        except (OSError, WebSocketException, LoadSessionError) as failure:
            self.errors.append(str(failure))
        except TimeoutError:
            self.errors.append("no end in time")
        finally:
            connection.abort()


class DueChunk(NamedTuple):
    """The next chunk of one session, ordered by when it is due (monotonic clock, s), then by session."""

    due: float
    session: int
    connection: LoadConnection
    position: int  # Number of the chunk of the audio with which the session began.
    chunk: int  # Number of the chunk in the session, from 0.


class ChunkScheduler:
    """Sends the chunks of all sessions, each when its last sample would have been recorded."""

    def __init__(self, client: LoadClient, frames: Sequence[bytes], chunks: int) -> None:
        self._client, self._frames, self._chunks = client, frames, chunks
        self._heap: list[DueChunk] = []
        self._not_empty = asyncio.Event()
        self._sessions = 0

    def add_session(self, connection: LoadConnection, position: int) -> None:
        """Begin a session now, at chunk `position` of the audio."""
        self._sessions += 1
        first = DueChunk(time.monotonic() + CHUNK_S, self._sessions, connection, position, 0)
        heapq.heappush(self._heap, first)
        self._not_empty.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            if not self._heap:
                self._not_empty.clear()
                await self._not_empty.wait()
            self._send_due(time.monotonic())
            if self._heap:
                await asyncio.sleep(max(0.0, self._heap[0].due - time.monotonic()))

    def _send_due(self, now: float) -> None:
        while self._heap and (first := self._heap[0]).due <= now:
            if first.chunk == self._chunks or first.connection.ended.done():
                heapq.heappop(self._heap)
                first.connection.send_frame(END)
            else:
                self._send_chunk(first)
                following = first._replace(due=first.due + CHUNK_S, chunk=first.chunk + 1)
                heapq.heapreplace(self._heap, following)

    def _send_chunk(self, due: DueChunk) -> None:
        sent_at = time.monotonic()
        due.connection.sent_at.append(sent_at)
        due.connection.send_frame(self._frames[(due.position + due.chunk) % len(self._frames)])
        self._client.late.append(sent_at - due.due)
        self._client.sent += 1


def chunk_frames(pcm: bytes) -> list[bytes]:
    """The complete chunks of `pcm` as masked binary frames."""
    starts = range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)
    return binary_frames(pcm[at : at + CHUNK_BYTES] for at in starts)
