"""Plays sessions of the library for the tests."""

import asyncio

import pytest

from dalston_realtime.client import ClientError, Event, LiveSession, ReceivedEvent, transcribe_stream
from dalston_realtime.client.connection.received_event import decode_received
from dalston_realtime.protocol.events import Event as KnownEvent
from dalston_realtime.protocol.events import encode_event
from tests.support.managed_process import DEADLINE_S

CHUNK = bytes(range(256)) * 12 + bytes(128)  # 3,200 bytes, 100 ms
DEADLINE = DEADLINE_S


def received(event: KnownEvent) -> ReceivedEvent:
    """The event as it comes from a server."""
    return decode_received(encode_event(event))


async def collect(session: LiveSession) -> tuple[list[Event], ClientError | None]:
    """The events, and what ended them early."""
    events: list[Event] = []
    try:
        async for event in session:
            events.append(event)
    except ClientError as error:
        return events, error
    return events, None


def whole_session(url: str) -> tuple[list[Event], ClientError | None]:
    """One chunk, the end, and whatever comes back."""

    async def play() -> tuple[list[Event], ClientError | None]:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url, resume_for=0) as session:
            try:
                await session.send(CHUNK)
                await session.end()
            except ClientError:  # the events tell it as well
                pass
            return await collect(session)

    return asyncio.run(play())


def open_error(url: str, sample_rate: int = 16_000) -> ClientError:
    async def play() -> None:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url, sample_rate=sample_rate):
            pass

    with pytest.raises(ClientError) as caught:
        asyncio.run(play())
    return caught.value
