"""A session's frames on their way to its socket: in order, the close behind them, never a wait to queue."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any, cast

import orjson
import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import ServerWarning
from stages.receiver.event_writer import MAX_FRAMES, EventWriter
from tests.support.managed_process import DEADLINE_S

BEGIN = '{"type":"session.begin"}'


class WrittenSocket:
    """Keeps what is written; may be gone."""

    def __init__(self, gone: bool = False) -> None:
        self.sent: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.gone = gone

    async def send(self, text: str) -> None:
        if self.gone:
            raise ConnectionClosedError(None, None)
        self.sent.append(text)

    async def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


def write(
    fill: Callable[[EventWriter], None], socket: WrittenSocket | None = None
) -> tuple[CloseCode, WrittenSocket]:
    """Start to write, then fill the queue, and write to the end."""
    socket = socket or WrittenSocket()

    async def run() -> CloseCode:
        writer = EventWriter(cast(ServerConnection, socket))
        async with asyncio.timeout(DEADLINE_S):
            task = asyncio.create_task(writer.run())
            await asyncio.sleep(0)
            fill(writer)
            return await task

    return asyncio.run(run()), socket


def warning(code: str) -> ServerWarning:
    return ServerWarning(code=code, message="m")


def events(socket: WrittenSocket) -> list[dict[str, Any]]:
    return [orjson.loads(text) for text in socket.sent]


def test_frames_leave_in_order_and_the_close_behind_them() -> None:
    def fill(writer: EventWriter) -> None:
        for number in range(3):
            writer.append_frame(str(number))
        writer.close_after_frames(CloseCode.NORMAL)

    code, socket = write(fill)
    assert socket.sent == ["0", "1", "2"]
    assert (code, socket.closed) == (CloseCode.NORMAL, (1000, ""))


def test_nothing_follows_the_end_and_the_first_end_stands() -> None:
    def fill(writer: EventWriter) -> None:
        writer.close_with_error(CloseCode.LAG_EXCEEDED, "too far behind")
        writer.append_frame("late")
        writer.send_event(warning("late"))
        writer.close_after_frames(CloseCode.NORMAL)

    code, socket = write(fill)
    assert events(socket) == [
        {"type": "error", "code": "lag_exceeded", "message": "too far behind", "recoverable": False}
    ]
    assert (code, socket.closed) == (CloseCode.LAG_EXCEEDED, (4010, "lag_exceeded"))


def test_a_receivers_own_event_has_its_fields() -> None:
    def fill(writer: EventWriter) -> None:
        writer.append_frame(BEGIN)
        writer.send_event(ServerWarning(code="processing_lag", message="m", lag=3.5))
        writer.close_after_frames(CloseCode.NORMAL)

    assert events(write(fill)[1])[1:] == [
        {"type": "warning", "code": "processing_lag", "message": "m", "lag": 3.5}
    ]


def test_a_receivers_own_events_come_behind_the_begin() -> None:
    def fill(writer: EventWriter) -> None:
        writer.send_event(warning("a"))
        writer.send_event(warning("b"))
        writer.append_frame(BEGIN)
        writer.append_frame('{"type":"vad.speech_start"}')
        writer.send_event(warning("c"))
        writer.close_after_frames(CloseCode.NORMAL)

    assert [e.get("code", e["type"]) for e in events(write(fill)[1])] == [
        "session.begin",
        "a",
        "b",
        "vad.speech_start",
        "c",
    ]


def test_a_session_that_fails_before_its_begin_is_told_why() -> None:
    def fill(writer: EventWriter) -> None:
        writer.send_event(warning("a"))
        writer.close_with_error(CloseCode.RESTARTING, "the worker is going away")

    assert [e["code"] for e in events(write(fill)[1])] == ["a", "restarting"]


def test_results_that_nobody_reads_end_the_session() -> None:
    def fill(writer: EventWriter) -> None:
        for _ in range(MAX_FRAMES + 10):
            writer.append_frame("{}")

    code, socket = write(fill)
    assert code is CloseCode.INTERNAL
    assert [e["code"] for e in events(socket)] == ["internal"]


def test_a_socket_that_is_gone_is_a_client_that_left() -> None:
    code, socket = write(lambda writer: writer.append_frame("{}"), WrittenSocket(gone=True))
    assert (code, socket.closed) == (CloseCode.NORMAL, None)


def test_a_reader_whose_client_left_ends_it() -> None:
    code, socket = write(lambda writer: writer.abort(ConnectionClosedOK(None, None)))
    assert (code, socket.closed) == (CloseCode.NORMAL, None)


def test_a_reader_that_failed_fails_it() -> None:
    with pytest.raises(ZeroDivisionError):
        write(lambda writer: writer.abort(ZeroDivisionError()))
    gc.collect()
