"""Opens sessions at a worker over the link, as a gateway does."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from dalston_realtime.protocol.parameters import SessionConfig
from runtime.worker_link import VERSION, OpenSession, SessionAccepted, decode_reply, encode
from tests.support.worker_process import WorkerProcess

Events = list[dict[str, Any]]


def request(session_id: str | None = None, **config: Any) -> str:
    """The frame that asks for a session with these parameters; without a name it is one of its own."""
    name = uuid.uuid4().hex if session_id is None else session_id
    asked = SessionConfig(**config)
    return encode(OpenSession(version=VERSION, session_id=name, link_id="1", config=asked))


@asynccontextmanager
async def worker_session(
    worker: WorkerProcess, session_id: str | None = None, **config: Any
) -> AsyncIterator[ClientConnection]:
    """A session that the worker has accepted, with these parameters."""
    async with worker.connect() as connection:
        await connection.send(request(session_id, **config))
        assert decode_reply(await connection.recv()) == SessionAccepted(version=VERSION)
        yield connection


async def next_event(session: ClientConnection) -> dict[str, Any]:
    """The next event, behind any progress."""
    while True:
        event: dict[str, Any] = msgspec.json.decode(await session.recv())
        if event["type"] != "progress":
            return event


async def events_to_close(session: ClientConnection) -> Events:
    """All events, also where the close is not a normal one."""
    events: Events = []
    try:
        while True:
            events.append(await next_event(session))
    except ConnectionClosed:
        return events
