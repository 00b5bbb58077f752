"""Checks how the library comes back: what it asks for, what it sends again, and when it gives up."""

import asyncio

from dalston_realtime.client import (
    Event,
    Final,
    InternalError,
    ServerError,
    SessionEnd,
    SessionResumed,
    transcribe_stream,
)
from dalston_realtime.client.url import STREAM_PATH
from dalston_realtime.protocol.close_codes import CloseCode
from tests.support.client_sessions import CHUNK, DEADLINE, collect
from tests.support.fake_server import Call, fake_server


async def play(url: str, chunks: int = 4) -> tuple[list[Event], Exception | None]:
    """Send chunks, a flush and the end; whatever comes back."""
    async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:

        async def speak() -> None:
            for _ in range(chunks):
                await session.send(CHUNK)
            await session.flush("f")
            await session.end()

        speaking = asyncio.create_task(speak())
        outcome = await collect(session)
        await asyncio.gather(speaking, return_exceptions=True)
        return outcome


async def lossy(call: Call) -> None:
    """Takes two chunks and breaks; the second time it says that one and a half have arrived."""
    if len(call.server.queries) == 1:
        await call.begin()
        await call.receive()
        await call.say(Final(utterance=1, text="One.", start=0.0, end=0.1))
        await call.receive()
        call.server.audio.clear()
        call.socket.transport.abort()
        return
    call.seq = 2
    await call.say(Final(utterance=2, text="Two.", start=0.1, end=0.15))
    await call.resume(last_seq=2, audio_received=0.15)
    await call.receive_until("end")
    await call.end("One. Two.")


def test_a_lost_connection_is_opened_again_and_what_did_not_arrive_is_sent_again() -> None:
    with fake_server(lossy) as server:
        events, error = asyncio.run(play(server.url))

    assert error is None
    assert [q.get("resume") for q in server.queries] == [None, "t1:2"]
    assert bytes(server.audio) == (CHUNK * 4)[len(CHUNK) * 3 // 2 :]
    assert [m["type"] for m in server.messages] == ["flush", "end"]
    assert [e.text for e in events if isinstance(e, Final)] == ["One.", "Two."]
    assert sum(isinstance(e, SessionResumed) for e in events) == 1
    assert isinstance(events[-1], SessionEnd)


def test_an_error_that_resuming_heals_is_no_event() -> None:
    async def restarts(call: Call) -> None:
        if len(call.server.queries) == 1:
            await call.begin()
            await call.fail(CloseCode.RESTARTING, "back soon")
            return
        call.seq = 2
        await call.resume(last_seq=2)
        await call.receive_until("end")
        await call.end()

    with fake_server(restarts) as server:
        events, error = asyncio.run(play(server.url))

    assert error is None
    assert not any(isinstance(e, ServerError) for e in events)
    assert server.queries[1]["resume"] == "t1:2"


def test_a_server_that_only_ever_fails_is_given_up() -> None:
    async def fails(call: Call) -> None:
        if len(call.server.queries) == 1:
            await call.begin()
        else:
            call.seq = 2
            await call.resume(last_seq=2)
        await call.fail(CloseCode.INTERNAL, "broken")

    with fake_server(fails) as server:
        events, error = asyncio.run(play(server.url))

    assert isinstance(error, InternalError)
    assert isinstance(events[-1], ServerError)
    assert 3 <= len(server.queries) <= 7


class OneRefusal(dict[str, tuple[int, object]]):
    """Answers that are given once."""

    def get(self, path: str, _default: object = None) -> tuple[int, object] | None:  # type: ignore[override]
        """The answer for a path, which is forgotten."""
        return self.pop(path, None)


def test_a_session_that_the_server_did_not_keep_begins_anew_where_nothing_was_said_in_it() -> None:
    refusals = OneRefusal(elsewhere=(404, {}))

    async def forgets(call: Call) -> None:
        await call.begin()
        await call.receive()
        if len(call.server.queries) == 1:
            refusals[STREAM_PATH] = 404, {"error": {"code": "unknown_session", "message": "no such session"}}
            call.server.audio.clear()
            call.socket.transport.abort()
            return
        await call.receive_until("end")
        await call.end()

    with fake_server(forgets, refusals) as server:
        events, error = asyncio.run(play(server.url))

    assert error is None
    assert [q.get("resume") for q in server.queries] == [None, None]
    assert bytes(server.audio) == CHUNK * 4
    assert isinstance(events[-1], SessionEnd)
