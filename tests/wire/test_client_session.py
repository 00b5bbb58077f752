"""Checks the library against a scripted server on a real socket."""

import asyncio
import socket
import threading

from dalston_realtime.client import (
    Final,
    Partial,
    SessionBegin,
    SessionEnd,
    SpeechEnd,
    SpeechStart,
    transcribe_stream,
)
from dalston_realtime.client.connection.opening import SEND_BUFFER_BYTES, open_connection
from dalston_realtime.client.url import stream_url
from tests.support.client_sessions import CHUNK, DEADLINE, collect, whole_session
from tests.support.fake_server import Call, fake_server


def test_a_session_from_the_first_chunk_to_the_end() -> None:
    with fake_server() as server:
        events, error = whole_session(server.url)

    assert error is None
    assert [type(event) for event in events] == [
        *(SessionBegin, SpeechStart, Partial, Final, SpeechEnd, Final, SessionEnd)
    ]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert events[3] == Final(seq=4, utterance=1, text="Hello world.", start=0.1, end=0.5)
    assert bytes(server.audio) == CHUNK


def test_the_query_holds_what_was_asked_for_and_nothing_else() -> None:
    async def play(url: str) -> None:
        async with transcribe_stream(
            url,
            model="accurate",
            sample_rate=8_000,
            headers={"Authorization": "Bearer key"},
            language=None,
            interim_results=False,
            vocabulary=["Pozzo", "Lucky & Godot"],
            timing=True,
        ) as session:
            await session.send(CHUNK)
            await session.end()
            await collect(session)

    with fake_server() as server:
        asyncio.run(play(server.url))

    assert server.queries == [
        {
            "model": "accurate",
            "sample_rate": "8000",
            "interim_results": "false",
            "vocabulary": '["Pozzo", "Lucky & Godot"]',
            "timing": "true",
        }
    ]
    assert server.headers[0]["Authorization"] == "Bearer key"


def test_messages_are_those_of_the_protocol_and_the_end_is_sent_once() -> None:
    async def play(url: str) -> None:
        async with transcribe_stream(url) as session:
            await session.send(CHUNK)
            await session.flush("now")
            await session.configure(min_silence_ms=500, interim_results=False)
            await session.keepalive()
            await session.end()
            await session.end()
            await collect(session)

    with fake_server() as server:
        asyncio.run(play(server.url))

    assert server.messages == [
        {"type": "flush", "id": "now"},
        {"type": "config", "min_silence_ms": 500, "interim_results": False},
        {"type": "keepalive"},
        {"type": "end"},
    ]


def test_any_amount_of_audio_goes_in_frames_that_the_protocol_allows() -> None:
    audio = bytearray(b"\x01\x02" * 1_300_000)

    async def play(url: str) -> None:
        async with transcribe_stream(url) as session:
            await session.send(audio)
            await session.end()
            await collect(session)

    with fake_server() as server:
        asyncio.run(play(server.url))

    assert server.audio == audio
    assert server.frames == [1 << 20, 1 << 20, 2_600_000 - (2 << 20)]


def test_the_round_trip_is_measured_and_the_place_to_resume_is_known() -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.receive_until("end")
        await call.end()

    async def play(url: str) -> None:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            before = session.resume_point
            await anext(session)
            assert (before, session.resume_point) == (None, "t1:1")
            await session.end()
            await collect(session)
            assert session.round_trip is not None
            assert 0 < session.round_trip < DEADLINE

    with fake_server(script) as server:
        asyncio.run(play(server.url))


def test_leaving_the_block_early_closes_the_connection() -> None:
    gone = threading.Event()

    async def script(call: Call) -> None:
        await call.begin()
        await call.socket.wait_closed()
        gone.set()

    async def play(url: str) -> None:
        async with transcribe_stream(url) as session:
            await anext(session)

    with fake_server(script) as server:
        asyncio.run(play(server.url))
        assert gone.wait(DEADLINE)


def test_the_kernel_takes_only_seconds_of_audio() -> None:
    """The contract with websockets, whose connections have their transport as a public attribute."""

    async def play(url: str) -> int:
        connection = await open_connection(stream_url(url, {}), url, None)
        try:
            sock = connection.transport.get_extra_info("socket")
            return int(sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        finally:
            await connection.close()

    with fake_server() as server:
        size = asyncio.run(play(server.url))

    assert SEND_BUFFER_BYTES <= size <= 2 * SEND_BUFFER_BYTES  # Linux counts its own overhead as well
