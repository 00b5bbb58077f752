"""Events of Wyoming clients, whole, in pieces, too large, and as garbage."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.realtime.wyoming.wire import (
    MAX_DATA_BYTES,
    MAX_LINE_BYTES,
    BadWyomingEvent,
    WyomingEvent,
    WyomingReader,
    pack_event,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EVENTS = st.builds(
    WyomingEvent, TEXT, st.dictionaries(TEXT, TEXT | st.integers(0, 99) | st.none()), st.binary(max_size=50)
)


def read_all(*pieces: bytes) -> list[WyomingEvent]:
    """The events that a client sends in these pieces before it closes the connection."""

    async def main() -> list[WyomingEvent]:
        stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        for piece in pieces:
            stream.feed_data(piece)
        stream.feed_eof()
        reader, found = WyomingReader(stream, 10.0), []
        while (event := await reader.read_event(10.0)) is not None:
            found.append(event)
        return found

    return asyncio.run(main())


@given(st.lists(EVENTS, max_size=4), st.integers(1, 40))
def test_what_is_packed_is_read_however_it_arrives(events: list[WyomingEvent], size: int) -> None:
    sent = b"".join(map(pack_event, events))
    assert read_all(*(sent[at : at + size] for at in range(0, len(sent), size))) == events


@given(st.binary(max_size=200) | st.lists(EVENTS, min_size=1).map(lambda e: pack_event(e[0])[:-1]))
def test_garbage_is_no_event_or_the_end(data: bytes) -> None:
    with suppress(BadWyomingEvent):
        assert read_all(data) is not None


def test_data_may_stand_in_the_line_and_behind_it() -> None:
    data = b'{"rate": 16000}'
    line = {"type": "x", "data": {"width": 2, "rate": 1}, "data_length": len(data)}
    assert read_all(json.dumps(line).encode() + b"\n" + data) == [
        WyomingEvent("x", {"width": 2, "rate": 16_000})
    ]


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"type": None},
        {"type": "x", "data": []},
        {"type": "x", "data_length": -1},
        {"type": "x", "data_length": MAX_DATA_BYTES + 1},
        {"type": "x", "payload_length": 1 << 40},
        {"type": "x", "payload_length": "9"},
        ["x"],
    ],
)
def test_a_line_that_is_none_is_refused(line: Any) -> None:
    with pytest.raises(BadWyomingEvent):
        read_all(json.dumps(line).encode() + b"\n")


@pytest.mark.parametrize("data", [b"[" * 60_000 + b"\n", b'{"type":"' + b"x" * (1 << 20), b"\n", b"\xff\n"])
def test_bombs_and_long_lines_are_refused(data: bytes) -> None:
    with pytest.raises(BadWyomingEvent):
        read_all(data)


def test_a_client_that_stops_in_mid_event_has_closed() -> None:
    whole = pack_event(WyomingEvent("audio-chunk", {"rate": 16_000}, bytes(100)))
    assert [read_all(whole[:at]) for at in range(len(whole))] == [[]] * len(whole)
