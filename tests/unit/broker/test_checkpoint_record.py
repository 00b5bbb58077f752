"""Checks what one gateway leaves for another: round trips, other versions, and what is cut off or hostile."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import (
    HEADER,
    OWNER,
    VERSION,
    BadCheckpoint,
    Checkpoint,
    CheckpointHeader,
    ContinuityState,
    UnknownCheckpointVersion,
    decode_checkpoint,
    encode_header,
)
from dalston_realtime.protocol.parameters import SessionConfig
from tests.support.hostile_frames import raw_frames

STATE = ContinuityState(
    begun=True,
    utterance=7,
    end=12.5,
    cut=True,
    previous_words="where is",
    processed=13.0,
    partial_start=12.6,
    stable_words="the",
    earlier_speech=3.5,
    recent_speech=1.25,
    speech_spans=[1.0, 2.5],
    moved=True,
    resumed_at=9.0,
    losses=2,
)
ENTRY = CheckpointHeader(
    version=VERSION,
    principal="key_1",
    token="0f",
    requested=SessionConfig(model="fast", vocabulary=("Zürich",)),
    config=SessionConfig(model="tiny", min_silence_ms=500),
    first_frame=96_000,
    ended=False,
    messages=3,
    continuity=STATE,
)
FIELDS = {
    HEADER: encode_header(ENTRY),
    OWNER: b"gateway-1 ws://10.0.0.1:8000",
    "a12": b"\x01\x02",
    "a9": b"\x03\x04",
    "c13": b'{"type":"flush"}',
    "e40": b'{"type":"transcript.final","seq":40,"text":"a"}',
    "w41": b'{"type":"transcript.final","text":"b"}',
    "f7": b'{"type":"transcript.final","text":"b"}',
}


def header(**fields: Any) -> bytes:
    """The header, with other values for some fields."""
    return json.dumps({**json.loads(FIELDS[HEADER]), **fields}).encode()


def test_a_checkpoint_is_read_as_it_was_left_and_its_entries_are_in_order() -> None:
    found = decode_checkpoint(FIELDS)

    assert found == Checkpoint(
        header=ENTRY,
        audio={9: b"\x03\x04", 12: b"\x01\x02"},
        commands={13: FIELDS["c13"]},
        sent_events={40: FIELDS["e40"]},
        waiting_events={41: FIELDS["w41"]},
        finals={7: FIELDS["f7"]},
    )
    assert list(found.audio) == [9, 12]


@pytest.mark.parametrize("version", [VERSION + 1, VERSION - 1, 10**30])
def test_a_checkpoint_of_another_version_is_left_alone(version: int) -> None:
    with pytest.raises(UnknownCheckpointVersion, match=f"{version}; this gateway knows {VERSION}"):
        decode_checkpoint({**FIELDS, HEADER: header(version=version)})


def test_a_newer_version_may_have_any_other_fields() -> None:
    newer = json.dumps({"version": VERSION + 1, "everything": "else"}).encode()

    with pytest.raises(UnknownCheckpointVersion):
        decode_checkpoint({HEADER: newer})


def test_fields_that_are_not_known_are_ignored() -> None:
    more = {**FIELDS, HEADER: header(colour="red"), "x7": b"?", "a": b"?", "a-1": b"?", "a" * 40: b"?"}

    assert decode_checkpoint(more) == decode_checkpoint(FIELDS)


def test_a_missing_field_with_a_default_takes_it() -> None:
    state = {"utterance": 7}

    found = decode_checkpoint({HEADER: header(continuity=state)})

    assert found.header.continuity == ContinuityState(utterance=7)


@pytest.mark.parametrize("length", [0, 1, 20, 60, len(FIELDS[HEADER]) // 2, len(FIELDS[HEADER]) - 1])
def test_a_header_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(BadCheckpoint, match="can't be read"):
        decode_checkpoint({**FIELDS, HEADER: FIELDS[HEADER][:length]})


@pytest.mark.parametrize(
    "fields",
    [
        {"version": "1"},
        {"version": None},
        {"ended": "no"},
        {"first_frame": 1.5},
        {"requested": None},
        {"config": {"encoding": "opus"}},
        {"continuity": []},
        {"continuity": {"speech_spans": ["soon"]}},
    ],
)
def test_a_header_with_a_bad_value_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadCheckpoint):
        decode_checkpoint({**FIELDS, HEADER: header(**fields)})


def test_without_a_header_there_is_no_checkpoint() -> None:
    with pytest.raises(BadCheckpoint, match="no header"):
        decode_checkpoint({OWNER: b"gateway-1"})


NAMES = st.from_regex(r"[a-z][0-9]{1,20}", fullmatch=True) | st.text(st.characters(codec=None))
HEADERS = raw_frames(
    ["header"], ["version", "requested", "config", "first_frame", "ended", "messages", "continuity"]
).map(lambda frame: frame if isinstance(frame, bytes) else frame.encode(errors="surrogatepass"))


@given(st.dictionaries(NAMES, st.binary()), st.none() | HEADERS | st.just(FIELDS[HEADER]))
def test_any_hash_is_a_checkpoint_or_a_bad_one(fields: dict[str, bytes], head: bytes | None) -> None:
    with suppress(BadCheckpoint):
        decode_checkpoint(fields if head is None else {**fields, HEADER: head})


STATES = st.builds(
    ContinuityState,
    utterance=st.integers(0, 10**9),
    end=st.floats(0, 1e6),
    previous_words=st.text(),
    partial_start=st.none() | st.floats(0, 1e6),
    speech_spans=st.lists(st.floats(0, 1e6)),
)


@given(STATES)
def test_any_state_comes_back(state: ContinuityState) -> None:
    left = CheckpointHeader(
        version=VERSION,
        principal="key_1",
        token="0f",
        requested=SessionConfig(),
        config=SessionConfig(),
        first_frame=0,
        ended=True,
        messages=0,
        continuity=state,
    )

    assert decode_checkpoint({HEADER: encode_header(left)}).header == left
