"""Checks that frames of the server become typed events, and that anything else is a ProtocolError."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalston_realtime.client.connection.received_event import ReceivedEvent, Unknown, decode_received
from dalston_realtime.client.errors import ProtocolError
from dalston_realtime.protocol.events import (
    Final,
    Partial,
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    SessionQueued,
    SessionResumed,
    SpeechEnd,
    SpeechStart,
    Word,
)

EVENTS: list[tuple[dict[str, Any], Any]] = [
    (
        {"type": "session.queued", "seq": 1, "position": 2, "expected_wait": 5},
        SessionQueued(seq=1, position=2, expected_wait=5.0),
    ),
    (
        {
            "type": "session.begin",
            "seq": 1,
            "session_id": "s",
            "model": "tiny",
            "variant": "fast",
            "language": "en",
            "degraded": True,
            "config": {"timing": True},
            "features": {"vocabulary": False},
        },
        SessionBegin(
            seq=1,
            session_id="s",
            model="tiny",
            variant="fast",
            language="en",
            degraded=True,
            config={"timing": True},
            features={"vocabulary": False},
        ),
    ),
    (
        {
            "type": "session.resumed",
            "seq": 9,
            "session_id": "s",
            "replayed_from": 7,
            "audio_received": 1.5,
            "messages_received": 2,
        },
        SessionResumed(seq=9, session_id="s", replayed_from=7, audio_received=1.5, messages_received=2),
    ),
    ({"type": "vad.speech_start", "seq": 2, "timestamp": 0.5}, SpeechStart(seq=2, timestamp=0.5)),
    ({"type": "vad.speech_end", "seq": 3, "timestamp": 1}, SpeechEnd(seq=3, timestamp=1.0)),
    (
        {
            "type": "transcript.partial",
            "seq": 4,
            "utterance": 1,
            "text": "so f",
            "stable": 3,
            "start": 0.5,
            "end": 1.0,
            "timing": {"vad": 1, "asr": 90.5},
        },
        Partial(
            seq=4,
            utterance=1,
            text="so f",
            stable=3,
            start=0.5,
            end=1.0,
            timing={"vad": 1.0, "asr": 90.5},
        ),
    ),
    (
        {
            "type": "transcript.final",
            "seq": 5,
            "utterance": 1,
            "text": "So far.",
            "start": 0.5,
            "end": 1.0,
            "language": "en",
            "confidence": 0.9,
            "words": [{"word": "So", "start": 0.5, "end": 0.7, "confidence": 1}, {"word": "far."}],
            "flush_id": "f",
        },
        Final(
            seq=5,
            utterance=1,
            text="So far.",
            start=0.5,
            end=1.0,
            language="en",
            confidence=0.9,
            words=(Word(word="So", start=0.5, end=0.7, confidence=1.0), Word(word="far.")),
            flush_id="f",
        ),
    ),
    (
        {"type": "warning", "seq": 6, "code": "processing_lag", "message": "m", "lag": 3.2},
        ServerWarning(seq=6, code="processing_lag", message="m", lag=3.2),
    ),
    (
        {"type": "error", "code": "no_capacity", "message": "m", "recoverable": False, "retry_after": 3},
        ServerError(code="no_capacity", message="m", recoverable=False, retry_after=3.0),
    ),
    (
        {"type": "session.end", "seq": 8, "session_id": "s", "transcript": "", "segments": []},
        SessionEnd(seq=8, session_id="s", transcript="", segments=()),
    ),
    (
        {"type": "later.thing", "seq": 9, "x": 1},
        Unknown(seq=9, type="later.thing", fields={"type": "later.thing", "seq": 9, "x": 1}),
    ),
]


@pytest.mark.parametrize(("raw", "event"), EVENTS, ids=lambda case: str(type(case).__name__))
def test_every_event_of_the_protocol_is_read(raw: dict[str, Any], event: Any) -> None:
    received = decode_received(json.dumps(raw))

    assert received.event == event
    assert as_sent(received) == raw


def as_sent(received: ReceivedEvent) -> Any:
    """All fields, decoded."""
    return json.loads(msgspec.json.encode(received.fields))


def test_a_field_that_is_not_known_is_ignored_and_stays_beside_the_event() -> None:
    received = decode_received('{"type":"vad.speech_start","timestamp":1,"mood":"calm"}')

    assert received.event == SpeechStart(timestamp=1.0)
    assert as_sent(received)["mood"] == "calm"


def test_null_is_as_good_as_absent() -> None:
    received = decode_received('{"type":"transcript.final","text":"a","words":null,"start":null}')

    assert received.event == Final(text="a")


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"type":7}',
        '{"type":"vad.speech_start"}',
        '{"type":"vad.speech_start","timestamp":"1"}',
        '{"type":"vad.speech_start","timestamp":true}',
        '{"type":"vad.speech_start","timestamp":NaN}',
        '{"type":"vad.speech_start","timestamp":1e999}',
        '{"type":"vad.speech_start","timestamp":1,"seq":-1}',
        '{"type":"vad.speech_start","timestamp":1,"seq":1.5}',
        '{"type":"vad.speech_start","timestamp":1,"seq":184467440737095516150}',
        '{"type":"transcript.final"}',
        '{"type":"transcript.final","text":["a"]}',
        '{"type":"transcript.final","text":"a","words":{}}',
        '{"type":"transcript.final","text":"a","words":["a"]}',
        '{"type":"transcript.final","text":"a","words":[{"start":1}]}',
        '{"type":"transcript.final","text":"a","timing":{"vad":"1"}}',
        '{"type":"transcript.final","text":"a","timing":[1]}',
        '{"type":"error","code":"internal","message":"m","recoverable":"no"}',
        '{"type":"transcript.final","text":"\\ud800"}',
        "[" * 100_000,
        '{"type":"later.thing","x":' + "[" * 100_000,
        '{"type":"later.thing","seq":-1}',
        b'{"type":"vad.speech_start","timestamp":1,"x":"\xff"}',
    ],
)
def test_what_is_malformed_is_a_protocol_error_of_one_line(frame: str | bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_received(frame)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_error_shows_no_control_characters_of_the_server() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_received(json.dumps({"type": "transcript.final", "text": {"\x1b[2J": "\x07"}}))

    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["seq", "session_id", "text", "timestamp", "words", "timing", "message", "code", "segments"]
)


@settings(max_examples=50)
@given(
    st.sampled_from([raw["type"] for raw, _ in EVENTS]),
    st.dictionaries(NAMES | st.text(), JSON),
)
def test_any_object_is_an_event_or_a_protocol_error(kind: str, fields: dict[str, Any]) -> None:
    try:
        received = decode_received(json.dumps({**fields, "type": kind}))
    except ProtocolError:
        return
    assert received.event.type == kind


@given(st.binary() | st.text())
def test_any_frame_is_an_event_or_a_protocol_error(frame: str | bytes) -> None:
    try:
        decode_received(frame)
    except ProtocolError:
        return
