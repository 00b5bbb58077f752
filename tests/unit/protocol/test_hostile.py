"""Checks that no frame and no query makes a decoder raise anything but its own error."""

import json
from collections.abc import Callable
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.commands import (
    BadCommand,
    ConfigCommand,
    decode_command,
    encode_command,
)
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import EVENT_TYPES, BadEvent, decode_event, encode_event
from dalston_realtime.protocol.parameters import (
    CHANGEABLE,
    PARAMETERS,
    SessionConfig,
    apply_config,
    parse_query,
)
from tests.support.hostile_frames import JSON, frames, raw_frames

COMMANDS = ["flush", "config", "keepalive", "end"]
COMMAND_FIELDS = ["id", *CHANGEABLE]
EVENT_FIELDS = sorted({name for event in EVENT_TYPES.values() for name in event.__struct_fields__})


@given(raw_frames(list(EVENT_TYPES), EVENT_FIELDS))
def test_a_frame_is_an_event_or_a_bad_event(frame: str | bytes) -> None:
    with suppress(BadEvent):
        event = decode_event(frame)
        assert decode_event(encode_event(event)) == event


@given(frames(COMMANDS, COMMAND_FIELDS))
def test_a_frame_is_a_command_or_a_bad_command(text: str) -> None:
    with suppress(BadCommand):
        command = decode_command(text)
        assert decode_command(encode_command(command)) == command
        if isinstance(command, ConfigCommand):
            with suppress(InvalidParameter):
                apply_config(SessionConfig(), command)


def refused(parse: Callable[[], object]) -> str | None:
    """The parameter that was refused, None where all were taken."""
    try:
        parse()
    except InvalidParameter as error:
        return error.param
    return None


@given(st.dictionaries(st.sampled_from(CHANGEABLE), JSON))
def test_a_change_is_applied_or_refused_by_name(changes: dict[str, object]) -> None:
    command = ConfigCommand(**changes)

    assert refused(lambda: apply_config(SessionConfig(), command)) in {None, *changes}


VALUES = st.text(st.characters(codec=None)) | st.just("[" * 100_000) | JSON.map(json.dumps)


@given(st.dictionaries(st.sampled_from(PARAMETERS), VALUES))
def test_a_query_is_parsed_or_refused_by_name(query: dict[str, str]) -> None:
    assert refused(lambda: parse_query(query)) in {None, *query}
