"""Checks when each chunk of a recording leaves, by a clock of the test."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dalston_realtime.client.audio.pacing import as_taken, in_real_time
from tests.support.client_clock import HandClock

CHUNK = bytes(3_200)  # 100 ms


def leave(chunks: list[bytes], stalls: dict[int, float] | None = None) -> list[float]:
    """When each chunk leaves, in seconds; `stalls` is how long the taker of a chunk is busy."""

    async def play() -> list[float]:
        clock, times = HandClock(), []
        async for _ in in_real_time(as_taken(chunks), clock):
            times.append(clock.time - 1_000.0)
            clock.time += (stalls or {}).get(len(times) - 1, 0.0)
        return times

    return asyncio.run(play())


def test_a_chunk_leaves_when_its_last_sample_would_have_been_recorded() -> None:
    assert leave([CHUNK] * 3 + [CHUNK[:1_600]]) == pytest.approx([0.1, 0.2, 0.3, 0.35])


def test_a_stall_is_caught_up_with_and_does_not_shift_the_rest() -> None:
    assert leave([CHUNK] * 5, {1: 0.25}) == pytest.approx([0.1, 0.2, 0.45, 0.45, 0.5])


def test_ten_hours_do_not_drift() -> None:
    assert leave([bytes(32_000 * 60)] * 600)[-1] == pytest.approx(36_000)


def test_nothing_in_nothing_out() -> None:
    assert leave([]) == []


def test_as_taken_gives_everything_in_order_and_lets_others_run() -> None:
    async def play() -> tuple[list[bytes], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(tick())
        taken = [chunk async for chunk in as_taken([b"a", b"b", b"c"])]
        other.cancel()
        return taken, ticks

    taken, ticks = asyncio.run(play())
    assert taken == [b"a", b"b", b"c"]
    assert ticks >= 2


def test_pacing_takes_any_stream() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield CHUNK

    async def play() -> list[bytes]:
        return [chunk async for chunk in in_real_time(stream(), HandClock())]

    assert asyncio.run(play()) == [CHUNK]
