"""Checks docs/protocol.md against the code: events, commands, parameters, close codes and limits."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES, Encoding
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import MAX_ID, MAX_TEXT, Command, decode_command
from dalston_realtime.protocol.events import EVENT_TYPES, Segment, Word, decode_event
from dalston_realtime.protocol.parameters import (
    CHANNELS,
    MAX_PHRASE_CHARS,
    MAX_PHRASES,
    MIN_SILENCE_MS,
    PARAMETERS,
    SAMPLE_RATES,
    Overflow,
    SessionConfig,
)
from tests.support.structs import fields_of, type_of

TEXT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")


def table(first: str) -> dict[str, list[str]]:
    """The rows of the table whose first heading is this: the other cells, by the names in the first one."""
    rows = re.search(rf"^\| {first} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert rows is not None, first
    found = {}
    for row in rows[1].splitlines():
        head, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        found.update(dict.fromkeys(names(head) or [head], cells))
    return found


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_event_has_a_row_with_exactly_its_fields() -> None:
    rows = table("event")

    assert set(rows) == set(EVENT_TYPES)
    for name, event in EVENT_TYPES.items():
        assert set(names(rows[name][0])) == fields_of(event) - {"seq"}, name


def test_the_objects_in_events_have_a_row_with_exactly_their_fields() -> None:
    rows = table("object")

    assert {name: set(names(cells[0])) for name, cells in rows.items()} == {
        "word": fields_of(Word),
        "segment": fields_of(Segment),
    }


def test_every_command_has_a_row_with_exactly_its_fields() -> None:
    rows = table("command")

    assert {name: set(names(cells[0])) for name, cells in rows.items()} == {
        type_of(command): fields_of(command) for command in get_args(Command)
    }


def spelled(value: Any) -> str:
    """A default as a query string has it."""
    return str(json.dumps(value)) if isinstance(value, bool | int | tuple) else str(value)


def test_every_parameter_has_a_row_with_its_default() -> None:
    rows = {name: cells[0].strip("`") for name, cells in table("parameter").items()}
    defaults = {name: getattr(SessionConfig(), name) for name in PARAMETERS}

    assert rows == {
        **{name: "none" if value is None else spelled(value) for name, value in defaults.items()},
        "resume": "none",
    }


@pytest.mark.parametrize(
    ("parameter", "limits"),
    [("sample_rate", SAMPLE_RATES), ("channels", CHANNELS), ("min_silence_ms", MIN_SILENCE_MS)],
)
def test_the_limits_of_a_parameter_are_those_of_the_code(parameter: str, limits: tuple[int, int]) -> None:
    numbers = re.findall(r"\d+", table("parameter")[parameter][1])

    assert list(map(int, numbers[:2])) == list(limits)


def test_the_values_of_a_parameter_are_those_of_the_code() -> None:
    rows = table("parameter")

    assert names(rows["encoding"][1]) == list(get_args(Encoding))
    assert set(get_args(Overflow)) <= set(names(rows["overflow"][1]))
    assert f"at most {MAX_PHRASES} phrases of 1 to {MAX_PHRASE_CHARS} characters" in rows["vocabulary"][1]


def test_every_close_code_has_a_row_with_its_name() -> None:
    rows = {code: cells[0].strip("`") for code, cells in table("code").items()}

    assert rows == {str(code.value): code.error for code in CloseCode}


def test_the_limits_of_frames_are_those_of_the_code() -> None:
    assert MAX_FRAME_BYTES == 1 << 20
    assert "a frame has at most 1 MiB" in TEXT
    assert f"64 KiB ({MAX_TEXT} characters)" in " ".join(TEXT.split())
    assert f"has at most {MAX_ID} characters" in TEXT


def test_the_examples_are_events_and_commands() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    commands, events = (block.splitlines() for block in blocks)

    assert [decode_command(line) for line in commands]
    assert [decode_event(line).seq for line in events] == [1, 2, 3, 4, 5, 6]
