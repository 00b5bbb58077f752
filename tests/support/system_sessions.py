"""Talks to a server as a plain WebSocket client, and keeps all that it answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from math import inf
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from runtime.local_server import LocalServer

Event: TypeAlias = dict[str, Any]
Say: TypeAlias = Callable[[ClientConnection], Coroutine[Any, Any, None]]

CHUNK = 1600  # samples: 100 ms
DEADLINE_S = 240.0  # Seconds of a session with some minutes of speech; an idle machine takes forty at most.
FULL_SPEED = inf
END = json.dumps({"type": "end"})


def stream(server: LocalServer, **query: object) -> str:
    """The URL of the endpoint."""
    path = f"{server.url}/v1/audio/transcriptions/stream"
    text = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    return f"{path}?{urlencode(text)}" if query else path


def chunks(pcm: bytes, size: int = 2 * CHUNK) -> Iterator[bytes]:
    """Audio in pieces."""
    return (pcm[at : at + size] for at in range(0, len(pcm), size))


async def paced(pcm: bytes, speed: float = 1.0) -> AsyncIterator[bytes]:
    """Audio at the pace of speech: a chunk leaves when its last sample would have been recorded.

    `speed` is that of someone who speaks so many times as fast; at `FULL_SPEED` no chunk waits.
    """
    begin = time.monotonic()
    for number, chunk in enumerate(chunks(pcm), 1):
        await asyncio.sleep(max(0.0, begin + number * 0.1 / speed - time.monotonic()))
        yield chunk


async def talk(
    server: LocalServer, say: Say, deadline_s: float = DEADLINE_S, **query: object
) -> tuple[list[Event], int | None]:
    """All events of one session and its close code; `say` runs beside the reading.

    The pong to a ping waits behind all audio that the server does not read yet, so none is asked for in time.
    """
    async with (
        asyncio.timeout(deadline_s),
        connect(
            stream(server, **query), compression=None, ping_timeout=None, open_timeout=DEADLINE_S
        ) as socket,
    ):
        saying = asyncio.create_task(say(socket))
        events = await read_all(socket)
        saying.cancel()
        return events, socket.close_code


async def read_all(socket: ClientConnection) -> list[Event]:
    """All events until the server closes, with whatever code."""
    events: list[Event] = []
    with suppress(ConnectionClosedError):
        async for frame in socket:
            events.append(json.loads(frame))
    return events


async def transcribe(
    server: LocalServer, pcm: bytes, *, deadline_s: float = DEADLINE_S, **query: object
) -> tuple[list[Event], int | None]:
    """Send audio as fast as the server takes it, and the end."""

    async def say(socket: ClientConnection) -> None:
        for chunk in chunks(pcm):
            await socket.send(chunk)
        await socket.send(END)

    return await talk(server, say, deadline_s, **query)


def active_sessions(server: LocalServer) -> int:
    """Slots that are taken, as the server says."""
    url = server.url.replace("ws://", "http://")
    return int(httpx.get(f"{url}/v1/realtime/status").json()["active_sessions"])


def wait_until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Ask until it is so, at most `deadline_s` seconds long."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"not so within {deadline_s} s"
