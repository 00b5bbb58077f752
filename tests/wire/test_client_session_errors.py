"""Checks that each way in which a session fails has a typed error, on a real socket."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dalston_realtime.client import (
    ConnectionLostError,
    Final,
    InvalidParameterError,
    LagExceededError,
    NoCapacityError,
    ProtocolError,
    RefusedError,
    RestartingError,
    ServerError,
    SessionBegin,
    SessionClosedError,
    UnreachableError,
    transcribe_stream,
)
from dalston_realtime.client.url import STREAM_PATH
from dalston_realtime.protocol.close_codes import CloseCode
from tests.support.client_sessions import CHUNK, DEADLINE, collect, open_error, whole_session
from tests.support.fake_server import Call, fake_server


def test_a_parameter_refused_before_the_upgrade() -> None:
    body = {
        "error": {
            "code": "invalid_parameter",
            "param": "sample_rate",
            "message": "sample_rate must be a whole number from 8000 to 192000",
        }
    }
    with fake_server(answers={STREAM_PATH: (400, body)}) as server:
        error = open_error(server.url, sample_rate=1)

    assert isinstance(error, InvalidParameterError)
    assert error.param == "sample_rate"
    assert "8000 to 192000" in error.message


def test_another_refusal_says_its_status() -> None:
    with fake_server(answers={STREAM_PATH: (503, b"<html>away</html>")}) as server:
        error = open_error(server.url)

    assert isinstance(error, RefusedError)
    assert (error.status, error.message) == (503, "<html>away</html>")


@contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port that nobody listens on, and nobody else gets meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"ws://127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_there() -> None:
    with closed_port() as url:
        error = open_error(url)

    assert isinstance(error, UnreachableError)
    assert f"{url} (connection refused)" in str(error)


def test_somebody_else_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        error = open_error(f"ws://127.0.0.1:{other.getsockname()[1]}")
        thread.join(DEADLINE)

    assert isinstance(error, UnreachableError)


def test_no_capacity_says_when_to_come_back() -> None:
    async def script(call: Call) -> None:
        await call.fail(CloseCode.NO_CAPACITY, "all 4 slots are taken", retry_after=2)

    with fake_server(script) as server:
        events, error = whole_session(server.url)

    assert isinstance(error, NoCapacityError)
    assert (error.retry_after, error.message) == (2.0, "all 4 slots are taken")
    assert isinstance(events[-1], ServerError)


@pytest.mark.parametrize(
    ("code", "name", "kind", "resumable"),
    [
        (4010, "lag_exceeded", LagExceededError, False),
        (1012, "restarting", RestartingError, True),
        (4999, "later", SessionClosedError, False),
    ],
)
def test_a_session_closed_on_the_way_has_a_typed_error_behind_its_events(
    code: int, name: str, kind: type[SessionClosedError], resumable: bool
) -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()
        await call.say(Final(utterance=1, text="So far.", start=0.0, end=0.1))
        await call.say(ServerError(code=name, message="why", recoverable=False))
        await call.socket.close(code, name)

    with fake_server(script) as server:
        events, error = whole_session(server.url)

    assert type(error) is kind
    assert (error.code, error.message, error.resumable) == (code, "why", resumable)
    assert any(isinstance(event, Final) for event in events)


def test_a_connection_that_breaks_is_lost() -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()
        call.socket.transport.abort()

    with fake_server(script) as server:
        events, error = whole_session(server.url)

    assert isinstance(error, ConnectionLostError)
    assert isinstance(events[0], SessionBegin)


def test_a_normal_close_without_the_end_of_the_session_is_no_success() -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.receive()

    with fake_server(script) as server:
        _, error = whole_session(server.url)

    assert isinstance(error, SessionClosedError)
    assert error.code == 1000


def test_a_recoverable_error_does_not_explain_a_later_close() -> None:
    async def script(call: Call) -> None:
        await call.begin()
        await call.say(ServerError(code="invalid_message", message="odd", recoverable=True))
        await call.socket.close(1012, "restarting")

    with fake_server(script) as server:
        _, error = whole_session(server.url)

    assert isinstance(error, RestartingError)
    assert error.message == "restarting"


@pytest.mark.parametrize("frame", ["not json", '{"type":"transcript.final"}', b"\x00\x01"])
def test_a_malformed_event_ends_the_session_and_the_server_is_told(frame: str | bytes) -> None:
    closed_with: list[int | None] = []

    async def script(call: Call) -> None:
        await call.begin()
        await call.socket.send(frame)
        await call.socket.wait_closed()
        closed_with.append(call.socket.close_code)

    with fake_server(script) as server:
        events, error = whole_session(server.url)

    assert isinstance(error, ProtocolError)
    assert [type(event) for event in events] == [SessionBegin]
    assert closed_with == [4400]


def test_sending_after_the_session_broke_off_raises_its_error() -> None:
    async def script(call: Call) -> None:
        await call.fail(CloseCode.NO_CAPACITY, "full", retry_after=1)

    async def play(url: str) -> None:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            await collect(session)
            with pytest.raises(NoCapacityError):
                await session.send(CHUNK)

    with fake_server(script) as server:
        asyncio.run(play(server.url))


def test_sending_after_the_end_is_an_error() -> None:
    async def play(url: str) -> None:
        async with asyncio.timeout(DEADLINE), transcribe_stream(url) as session:
            await session.send(CHUNK)
            await session.end()
            await collect(session)
            with pytest.raises(SessionClosedError, match="after the end"):
                await session.send(CHUNK)

    with fake_server() as server:
        asyncio.run(play(server.url))
