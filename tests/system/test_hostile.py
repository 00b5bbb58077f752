"""Clients that send nonsense, nothing or too much, or vanish: each is told, nobody else notices."""

import asyncio
import json

import numpy as np
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from runtime.local_server import LocalServer
from tests.support import promises
from tests.support.speech import BECKETT, dense, samples, word_error_rate
from tests.support.system_sessions import (
    DEADLINE_S,
    END,
    active_sessions,
    chunks,
    read_all,
    stream,
    talk,
    transcribe,
    wait_until,
)


def resident_mb(server: LocalServer) -> float:
    """Memory of all processes of the formation."""
    root = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in [root, *root.children(recursive=True)]) / 1e6


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        '"end"',
        "{}",
        '{"type": "dance"}',
        '{"type": 5}',
        '{"type": "flush", "id": 7}',
        '{"type": "config", "min_silence_ms": 5}',
        '{"type": "config", "min_silence_ms": "many"}',
        '{"type": "config", "language": "klingon"}',
        "[" * 5000,
        json.dumps({"type": "x" * 70_000}),
    ],
)
def test_a_bad_message_is_named_and_the_session_goes_on(server: LocalServer, message: str) -> None:
    async def say(socket: ClientConnection) -> None:
        await socket.send(message)
        await socket.send(END)

    events, code = asyncio.run(talk(server, say))
    promises.check(events)
    (error,) = [e for e in events if e["type"] == "error"]
    assert (error["code"], error["recoverable"]) == ("invalid_message", True)
    assert code == 1000


def test_an_empty_session(server: LocalServer) -> None:
    events, code = asyncio.run(transcribe(server, b""))
    promises.check(events)
    assert (events[-1]["transcript"], events[-1]["audio_duration"], code) == ("", 0.0, 1000)


def test_odd_byte_counts_are_put_together(server: LocalServer) -> None:
    async def say(socket: ClientConnection) -> None:
        for chunk in chunks(samples("beckett.wav").tobytes(), 3_333):
            await socket.send(chunk)
        await socket.send(b"\x01")
        await socket.send(END)

    events, _ = asyncio.run(talk(server, say))
    assert word_error_rate(BECKETT, events[-1]["transcript"]) <= 0.34


def test_pcm_of_nan_and_infinities_is_no_speech(server: LocalServer) -> None:
    noise = np.tile(np.array([np.nan, np.inf, -np.inf, 1e30], "<f4"), 8_000)
    events, code = asyncio.run(transcribe(server, noise.tobytes(), encoding="pcm_f32le"))
    promises.check(events)
    assert (events[-1]["transcript"], code) == ("", 1000)


@pytest.mark.parametrize("level", [0, 300, 8_000])
def test_five_minutes_of_silence_or_white_noise_give_no_text(server: LocalServer, level: int) -> None:
    noise = np.random.default_rng(5).normal(0, level, 300 * 16_000).clip(-32768, 32767).astype("<i2")
    events, _ = asyncio.run(transcribe(server, noise.tobytes()))
    promises.check(events)
    assert not promises.finals(events)
    assert not promises.partials(events)
    assert events[-1]["audio_duration"] == 300.0


def test_a_frame_over_one_mebibyte(server: LocalServer) -> None:
    async def say(socket: ClientConnection) -> None:
        await socket.send(bytes((1 << 20) + 1))

    events, code = asyncio.run(talk(server, say))
    assert (events[-1]["type"], events[-1]["code"], code) == ("error", "invalid_request", 4400)


def test_a_frame_of_one_mebibyte_is_taken(server: LocalServer) -> None:
    async def say(socket: ClientConnection) -> None:
        await socket.send(bytes(1 << 20))
        await socket.send(END)

    events, code = asyncio.run(talk(server, say))
    assert code == 1000
    assert events[-1]["audio_duration"] == pytest.approx((1 << 19) / 16_000, abs=0.001)


def test_a_client_that_vanishes_in_mid_word_frees_its_place(server: LocalServer) -> None:
    wait_until(lambda: active_sessions(server) == 0)

    async def vanish() -> None:
        socket = await connect(stream(server), compression=None)
        await socket.send(samples("beckett.wav")[:20_000].tobytes())
        await socket.recv()
        wait_until(lambda: active_sessions(server) == 1)
        socket.transport.abort()

    asyncio.run(vanish())
    wait_until(lambda: active_sessions(server) == 0, 15)  # the resume window, and a busy machine


def test_a_client_that_reads_nothing_still_gets_every_final(server: LocalServer) -> None:
    """It sends three minutes and only then begins to read."""
    pcm = samples("two_cities.wav").tobytes() * 4

    async def deaf() -> list[dict[str, object]]:
        async with (
            asyncio.timeout(DEADLINE_S),
            connect(stream(server), compression=None, max_queue=1, ping_timeout=None) as socket,
        ):
            for chunk in chunks(pcm):
                await socket.send(chunk)
            await socket.send(END)
            other, _ = await transcribe(server, samples("beckett.wav").tobytes())
            assert word_error_rate(BECKETT, other[-1]["transcript"]) <= 0.34
            return await read_all(socket)

    events = asyncio.run(deaf())
    promises.check(events)
    assert events[-1]["audio_duration"] == pytest.approx(len(pcm) / 32_000, abs=0.001)


def test_a_long_file_sent_at_full_speed_leaves_memory_flat(server: LocalServer) -> None:
    pcm = dense("two_cities.wav").tobytes()
    asyncio.run(transcribe(server, pcm))  # what the models and buffers need once
    before = resident_mb(server)
    events, code = asyncio.run(transcribe(server, pcm * 8))
    assert code == 1000
    promises.check(events)
    assert not [e for e in events if e["type"] in ("warning", "error")]
    assert events[-1]["audio_duration"] == pytest.approx(len(pcm) * 8 / 32_000, abs=0.01)
    assert resident_mb(server) - before < 60


def test_a_thousand_connects_that_never_send_a_byte(server: LocalServer) -> None:
    async def idle(gate: asyncio.Semaphore) -> int | None:
        async with gate, connect(stream(server), compression=None, open_timeout=60) as socket:
            begin = json.loads(await socket.recv())
            if begin["type"] == "session.begin":
                return None
            assert (begin["code"], begin["recoverable"]) == ("no_capacity", False)
            assert begin["retry_after"] > 0
            await socket.wait_closed()
            return socket.close_code

    async def flood() -> list[int | None]:
        gate = asyncio.Semaphore(100)  # half-open at once: as many as the listen backlog holds
        return await asyncio.gather(*(idle(gate) for _ in range(1_000)))

    codes = asyncio.run(flood())
    assert set(codes) <= {None, 4503}
    wait_until(lambda: active_sessions(server) == 0)
    events, code = asyncio.run(transcribe(server, samples("beckett.wav").tobytes()))
    assert code == 1000
    assert word_error_rate(BECKETT, events[-1]["transcript"]) <= 0.34
