"""Checks the messages between gateway and worker: both directions, other versions, hostile frames."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.commands import BadCommand, EndCommand, FlushCommand
from dalston_realtime.protocol.events import EVENT_TYPES, Final
from dalston_realtime.protocol.parameters import SessionConfig
from runtime.worker_link import (
    VERSION,
    BadLinkMessage,
    ClientPresence,
    OpenSession,
    Progress,
    ResumePoint,
    SessionAccepted,
    SessionRefused,
    UnknownLinkVersion,
    decode_gateway_message,
    decode_open,
    decode_reply,
    decode_worker_message,
    encode,
)
from tests.support.hostile_frames import frames, raw_frames

RESUME = ResumePoint(
    clock=160_000,
    replayed=176_000,
    utterance=7,
    previous_words=("where", "is"),
    overlaps=True,
    stable_words=("the",),
    partial_shown=True,
)
OPEN = OpenSession(
    version=VERSION,
    session_id="s",
    link_id="s.1",
    config=SessionConfig(model="tiny", min_silence_ms="auto", vocabulary=("Zürich",), overflow="queue"),
    degraded=True,
    resume=RESUME,
)


def with_field(message: OpenSession, **fields: Any) -> str:
    """The JSON of a request, with other values for some fields."""
    return json.dumps({**json.loads(encode(message)), **fields})


@pytest.mark.parametrize(
    "asked", [OPEN, OpenSession(version=VERSION, session_id="s", link_id="l", config=SessionConfig())]
)
def test_a_request_arrives_as_it_was_sent(asked: OpenSession) -> None:
    assert decode_open(encode(asked)) == asked


@pytest.mark.parametrize(
    "reply", [SessionAccepted(version=VERSION), SessionRefused(version=VERSION, message="full")]
)
def test_an_answer_arrives_as_it_was_sent(reply: SessionAccepted | SessionRefused) -> None:
    assert decode_reply(encode(reply)) == reply


def test_events_and_progress_come_from_a_worker() -> None:
    for message in (Progress(processed=1.25), Final(text="a", utterance=1)):
        assert decode_worker_message(encode(message)) == message


def test_commands_and_presence_come_from_a_gateway() -> None:
    assert decode_gateway_message(encode(ClientPresence(present=False))) == ClientPresence(present=False)
    assert decode_gateway_message('{"type":"flush","id":"f"}') == FlushCommand(id="f")
    assert decode_gateway_message('{"type":"end"}') == EndCommand()


@pytest.mark.parametrize("version", [0, VERSION + 1, 10**30])
def test_a_request_of_another_version_is_refused_and_both_versions_are_named(version: int) -> None:
    with pytest.raises(UnknownLinkVersion, match=rf"version {version} .* speaks {VERSION}"):
        decode_open(with_field(OPEN, version=version))


def test_a_request_of_another_version_may_have_any_other_fields() -> None:
    with pytest.raises(UnknownLinkVersion):
        decode_open(json.dumps({"type": "later", "version": VERSION + 1}))


def test_a_field_that_is_not_known_is_ignored() -> None:
    assert decode_open(with_field(OPEN, colour="red")) == OPEN


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{}",
        "[]",
        '{"type":"open"}',
        '{"type":"open","version":"1"}',
        with_field(OPEN, type="close"),
        with_field(OPEN, session_id=7),
        with_field(OPEN, config={"sample_rate": "fast"}),
        with_field(OPEN, config={"encoding": "flac"}),
        with_field(OPEN, resume={"clock": 1}),
        encode(OPEN)[:-2],
        encode(OPEN)[:40],
    ],
)
def test_what_is_no_request_is_refused(frame: str) -> None:
    with pytest.raises(BadLinkMessage):
        decode_open(frame)


TYPES = ["open", "accepted", "refused", "presence", "progress", *EVENT_TYPES]
FIELDS = ["version", "session_id", "link_id", "config", "resume", "present", "processed", "message", "text"]


@given(raw_frames(TYPES, FIELDS), st.sampled_from([decode_open, decode_reply, decode_worker_message]))
def test_a_frame_is_a_message_or_a_bad_one(
    frame: str | bytes, decode: Callable[[str | bytes], object]
) -> None:
    with suppress(BadLinkMessage):
        decode(frame)


@given(frames(["presence", "flush", "config", "end"], ["present", "id", "language", "min_silence_ms"]))
def test_a_text_frame_of_a_gateway_is_a_message_or_a_bad_command(text: str) -> None:
    with suppress(BadCommand):
        decode_gateway_message(text)
