"""A client whose connection is cut again and again: no word is lost, none is said twice."""

import asyncio
from random import Random

import pytest

from dalston_realtime.client import SessionEnd, SessionResumed, transcribe_stream
from runtime.local_server import LocalServer
from tests.support.chaos.wire import Wire, wire
from tests.support.speech import samples
from tests.support.system_sessions import chunks, paced, transcribe
from tests.support.words import compare

CUTS = 20


def test_twenty_cuts_in_a_recording_cost_no_word(server: LocalServer) -> None:
    pcm = samples("two_cities.wav").tobytes()
    undisturbed, _ = asyncio.run(transcribe(server, pcm))
    random = Random(20)

    async def cut(between: Wire) -> None:
        """One cut about every two seconds of the recording's 44."""
        for _ in range(CUTS):
            await asyncio.sleep(random.uniform(0.8, 3.0))
            between.cut()

    async def listen() -> tuple[list[object], int]:
        async with wire([server.port], random) as between:
            cutting = asyncio.create_task(cut(between))
            async with transcribe_stream(f"ws://127.0.0.1:{between.port}") as session:

                async def speak() -> None:
                    async for chunk in paced(pcm):
                        await session.send(chunk)
                    await session.end()

                speaking = asyncio.create_task(speak())
                events: list[object] = [event async for event in session]
                await speaking
            cutting.cancel()
            return events, sum(isinstance(event, SessionResumed) for event in events)

    events, resumed = asyncio.run(listen())
    ended = events[-1]
    assert isinstance(ended, SessionEnd)
    assert resumed >= CUTS - 2
    found = compare(undisturbed[-1]["transcript"], ended.transcript or "")
    assert (found.lost, found.doubled) == (0, 0), found.passages
    assert ended.audio_duration == pytest.approx(len(pcm) / 32_000, abs=0.001)


def test_cuts_at_full_speed_lose_no_sample(server: LocalServer) -> None:
    pcm = samples("two_cities.wav").tobytes()

    async def listen() -> SessionEnd:
        async with wire([server.port], Random(3)) as between:
            async with transcribe_stream(f"ws://127.0.0.1:{between.port}") as session:

                async def speak() -> None:
                    for number, chunk in enumerate(chunks(pcm)):
                        await session.send(chunk)
                        if number and number % 100 == 0:
                            between.cut()
                    await session.end()

                speaking = asyncio.create_task(speak())
                last = [event async for event in session][-1]
                await speaking
            assert isinstance(last, SessionEnd)
            return last

    ended = asyncio.run(listen())
    assert ended.audio_duration == pytest.approx(len(pcm) / 32_000, abs=0.001)
