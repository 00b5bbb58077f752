"""A Wyoming client's connection at sessions whose surroundings are played by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import NoCapacity
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.errors import TooManySessions
from gateway.auth.principal import Principal
from gateway.metrics import GatewayMetrics
from gateway.realtime.listener import ListenerParts, ListenerTimes
from gateway.realtime.wyoming.connection import WyomingConnection
from gateway.realtime.wyoming.wire import MAX_LINE_BYTES, WyomingEvent, WyomingReader, pack_event
from tests.support.gateway_parts import FakeSlots, session_manager
from tests.support.hostile_frames import fewer, hostile_objects, nested
from tests.support.virtual_time import VirtualClock, run_virtually

FORM: Final = {"rate": 16_000, "width": 2, "channels": 1}
START: Final = WyomingEvent("audio-start", FORM)
CHUNK: Final = WyomingEvent("audio-chunk", FORM, bytes(320_000))
STOP: Final = WyomingEvent("audio-stop")


class HandWriter:
    """Keeps what is written; closing it is the end of what the client sends, as on a socket."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self.written = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.feed_data(data)

    def get_extra_info(self, _name: str, default: object) -> object:
        """It has no address."""
        return default

    async def drain(self) -> None:
        """The client reads everything."""

    def write_eof(self) -> None:
        """Nothing more is written."""

    def close(self) -> None:
        """The connection is closed."""
        self._stream.feed_eof()


def parts(slots: FakeSlots, reserve: Any = None) -> ListenerParts:
    """A listener's surroundings, where everybody is admitted."""
    sessions = session_manager(slots)

    async def admit(config: SessionConfig) -> SessionConfig:
        return config

    gate = SimpleNamespace(
        admit=admit,
        reserve=reserve or sessions.reserve,
        begin=lambda c, p, lease: sessions.begin(c, p, lease, resumable=False),
    )
    return cast(
        ListenerParts,
        SimpleNamespace(
            gate=gate, metrics=GatewayMetrics(), times=ListenerTimes(), note_ignored=lambda *_: None
        ),
    )


def play(
    *events: WyomingEvent | bytes,
    slots: FakeSlots | None = None,
    reserve: Any = None,
    then: Callable[[Any], Awaitable[None]] | None = None,
) -> tuple[list[str], float]:
    """What a client that sends these events, and leaves the connection open, is told; and after how long."""

    async def main(clock: VirtualClock) -> tuple[list[str], float]:
        stream, begun = asyncio.StreamReader(limit=MAX_LINE_BYTES), clock.now_s
        writer = HandWriter(stream)
        for event in events:
            stream.feed_data(event if isinstance(event, bytes) else pack_event(event))
        program = cast(Any, SimpleNamespace(client_ends=True))
        surroundings = parts(slots or FakeSlots(NoCapacity("all slots are taken", 1.0)), reserve)
        connection = WyomingConnection(stream, cast(Any, writer), surroundings, program)
        async with asyncio.timeout(1_000):
            if then is None:
                await connection.serve()
            else:
                await asyncio.gather(connection.serve(), then(connection))
        took = clock.now_s - begun
        writer.written.feed_eof()
        reader, told = WyomingReader(writer.written, 1.0), []
        while (answer := await reader.read_event(1.0)) is not None:
            told.append(answer.type)
        return told, took

    return run_virtually(main)


@pytest.mark.parametrize("events", [(), (START,), (START, CHUNK), (STOP, WyomingEvent("ping"))])
def test_a_client_that_does_nothing_is_let_go(events: tuple[WyomingEvent, ...]) -> None:
    _, took = play(*events)
    assert took == pytest.approx(ListenerTimes().idle, abs=1.0)


def test_audio_of_a_request_that_has_failed_is_dropped_and_the_next_one_is_heard() -> None:
    slots = FakeSlots()
    told, _ = play(START, *(CHUNK,) * 8, STOP, START, STOP, slots=slots)
    assert told == ["error", "transcript-start", "transcript", "transcript-stop"]
    assert slots.released == ["error"]


def test_who_has_as_many_sessions_as_they_may_is_told_once() -> None:
    async def reserve(_principal: Principal) -> None:
        raise TooManySessions("1 of 1 sessions at once are used", 5.0)

    slots = FakeSlots()
    told, _ = play(START, *(CHUNK,) * 8, STOP, slots=slots, reserve=reserve)
    assert told == ["error"]
    assert slots.released == []


def test_who_waits_for_nothing_is_let_go_where_the_gateway_stops() -> None:
    async def stop(connection: WyomingConnection) -> None:
        await asyncio.sleep(0)
        connection.stop()

    _, took = play(START, then=stop)
    assert took < 1.0


def test_an_event_that_does_not_come_whole_is_an_error() -> None:
    told, took = play(pack_event(CHUNK)[:-1])
    assert told == ["error"]
    assert took == pytest.approx(ListenerTimes().request, abs=1.0)


NAMES: Final = ("text", "rate", "width", "channels", "language", "name", "transcript_names", "context")
KINDS: Final = ("ping", "audio-start", "audio-chunk", "audio-stop", "transcribe", "x")


@fewer(10)
@given(st.lists(st.tuples(st.sampled_from(KINDS), hostile_objects(NAMES, KINDS)), max_size=3))
def test_any_events_are_answered_or_are_none(sent: list[tuple[str, str]]) -> None:
    play(*(f'{{"type":"{kind}","data":{data}}}\n'.encode() for kind, data in sent))


def test_a_ping_of_any_depth_is_answered_or_is_none() -> None:
    """A value that can be read just so is not always one that can be written."""
    for depth in range(840, 970, 10):
        data = f'{{"text":{json.dumps("x")},"more":{nested(depth)}}}'
        told, _ = play(f'{{"type":"ping","data":{data}}}\n'.encode())
        assert told in (["pong"], ["error"])
