"""Checks that audio goes out while events come in, against a scripted server on a real socket."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator

import pytest

from dalston_realtime.client import (
    Event,
    Final,
    LiveSession,
    Partial,
    SessionClosedError,
    SessionEnd,
    transcribe_stream,
)
from dalston_realtime.client.audio.pacing import as_taken
from dalston_realtime.client.streaming import AudioStreamer
from tests.support.client_sessions import CHUNK, DEADLINE, collect
from tests.support.fake_server import Call, fake_server


def test_events_wait_for_who_sends_everything_first() -> None:
    count = 2_000

    async def script(call: Call) -> None:
        await call.begin()
        for number in range(count):
            await call.receive()
            await call.say(Final(utterance=number, text="w", start=0.0, end=0.1))
        await call.receive_until("end")
        await call.end()

    async def play(url: str) -> list[Event]:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            for _ in range(count):
                await session.send(b"\0\0")
            await session.end()
            return (await collect(session))[0]

    with fake_server(script) as server:
        events = asyncio.run(play(server.url))

    assert sum(isinstance(event, Final) for event in events) == count


def test_a_server_that_does_not_read_holds_the_sender_back_and_loses_nothing() -> None:
    reading = threading.Event()
    size, whole = 64 << 10, 512  # 32 MiB in all

    async def script(call: Call) -> None:
        await call.begin()
        await asyncio.to_thread(reading.wait)
        await call.receive_until("end")
        await call.end()

    async def play(url: str) -> int:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            sent = await until_blocked(session)
            reading.set()
            for _ in range(whole - sent):
                await session.send(bytes(size))
            await session.end()
            assert (await collect(session))[1] is None
            return sent

    async def until_blocked(session: LiveSession) -> int:
        for sent in range(1, whole + 1):
            try:
                await asyncio.wait_for(session.send(bytes(size)), 0.3)
            except TimeoutError:
                return sent
        return whole

    with fake_server(script) as server:
        sent = asyncio.run(play(server.url))

    assert sent < whole / 2
    assert len(server.audio) == size * whole


def test_audio_goes_out_while_events_arrive_and_ends_the_session() -> None:
    progress: list[int] = []

    async def play(url: str) -> list[Event]:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            streamer = AudioStreamer(session, as_taken([CHUNK] * 3), progress.append)
            return [received.event async for received in streamer.received()]

    with fake_server() as server:
        events = asyncio.run(play(server.url))

    assert isinstance(events[-1], SessionEnd)
    assert progress == [3_200, 6_400, 9_600]


def test_audio_that_is_stopped_still_gets_the_rest() -> None:
    async def play(url: str) -> list[Event]:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield CHUNK
                await asyncio.sleep(0)

        events = []
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            streamer = AudioStreamer(session, endless())
            async for received in streamer.received():
                events.append(received.event)
                if isinstance(received.event, Partial):
                    streamer.stop_audio()
        return events

    with fake_server() as server:
        events = asyncio.run(play(server.url))

    assert isinstance(events[-1], SessionEnd)
    assert json.dumps(server.messages) == '[{"type": "end"}]'


def test_audio_that_breaks_off_is_an_error_behind_what_was_said() -> None:
    events: list[Event] = []

    async def play(url: str) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield CHUNK
            raise LookupError("broken file")

        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            async for received in AudioStreamer(session, broken()).received():
                events.append(received.event)

    with fake_server() as server, pytest.raises(LookupError, match="broken file"):
        asyncio.run(play(server.url))

    assert isinstance(events[-1], SessionEnd)


def test_a_server_that_ends_before_all_audio_was_sent_is_no_success() -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()
        await call.end()

    async def play(url: str) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield CHUNK
                await asyncio.sleep(0)

        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            async for _ in AudioStreamer(session, endless()).received():
                pass

    with fake_server(script) as server, pytest.raises(SessionClosedError):
        asyncio.run(play(server.url))
