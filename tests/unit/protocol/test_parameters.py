"""Checks what query strings and `config` commands may say, and how a bad value is named."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dalston_realtime.protocol.commands import (
    BadCommand,
    ConfigCommand,
    EndCommand,
    FlushCommand,
    decode_command,
)
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig, apply_config, parse_query

GOOD: list[tuple[str, str, Any]] = [
    ("model", "fast", "fast"),
    ("model", "accurate", "accurate"),
    ("model", "nvidia/parakeet tdt-0.6b", "nvidia/parakeet tdt-0.6b"),
    ("language", "auto", "auto"),
    ("language", "de", "de"),
    ("language", "EN", "en"),
    ("language", "en-US", "en"),
    ("language", "eng", "en"),
    ("language", "GER_at", "de"),
    ("language", "en_us", "en"),
    ("language", "zh-Hant-TW", "zh"),
    ("language", "es-419", "es"),
    ("language", "yue", "yue"),
    ("language", "HAW-us", "haw"),
    ("encoding", "pcm_s16le", "pcm_s16le"),
    ("encoding", "pcm_f32le", "pcm_f32le"),
    ("encoding", "mulaw", "mulaw"),
    ("encoding", "alaw", "alaw"),
    ("encoding", "opus", "opus"),
    ("encoding", "container", "container"),
    ("sample_rate", "8000", 8_000),
    ("sample_rate", "44100", 44_100),
    ("sample_rate", "48000", 48_000),
    ("sample_rate", "44100.0", 44_100),
    ("sample_rate", "96000.000", 96_000),
    ("sample_rate", "192000", 192_000),
    ("channels", "1", 1),
    ("channels", "8", 8),
    ("channel_mode", "separate", "separate"),
    ("min_silence_ms", "100", 100),
    ("min_silence_ms", "3000", 3_000),
    ("min_silence_ms", "auto", "auto"),
    ("vocabulary", "[]", ()),
    ("vocabulary", '["Dalston", "Zürich", "東京"]', ("Dalston", "Zürich", "東京")),
    ("vocabulary", json.dumps(["x" * 50] * 100), ("x" * 50,) * 100),
    *[
        (name, text, value)
        for name in ("interim_results", "enable_vad", "word_timestamps", "timing")
        for text, value in (("true", True), ("false", False), ("1", True), ("0", False))
    ],
]
BAD: list[tuple[str, str]] = [
    ("model", ""),
    ("model", "x" * 201),
    ("model", "fast\n"),
    ("language", ""),
    ("language", "e"),
    ("language", "AUTO"),
    ("language", "auto-US"),
    ("language", "en-"),
    ("language", "en US"),
    ("language", "en-US\n"),
    ("language", "en--US"),
    ("language", "-US"),
    ("language", "en.US"),
    ("language", "en-" + "x" * 9),
    ("language", "en" + "-x" * 5_000),
    ("language", "english"),
    ("language", "éé"),
    ("encoding", "webm"),
    ("encoding", "PCM_S16LE"),
    ("encoding", ""),
    ("sample_rate", "7999"),
    ("sample_rate", "192001"),
    ("sample_rate", "44100.5"),
    ("sample_rate", "44100.01"),
    ("sample_rate", "44100."),
    ("sample_rate", ".0"),
    ("sample_rate", "4.41e4"),
    ("sample_rate", "44100.0\n"),
    ("sample_rate", "16000." + "0" * 5_000),
    ("sample_rate", "NaN"),
    ("sample_rate", "CD"),
    ("sample_rate", "-16000"),
    ("sample_rate", " 16000"),
    ("sample_rate", "16_000"),
    ("sample_rate", "²"),
    ("sample_rate", "١٦٠٠٠"),
    ("sample_rate", "9" * 5_000),
    ("channels", "0"),
    ("channels", "9"),
    ("channel_mode", "stereo"),
    ("channels", ""),
    ("min_silence_ms", "99"),
    ("min_silence_ms", "3001"),
    ("min_silence_ms", "Auto"),
    ("min_silence_ms", ""),
    ("vocabulary", ""),
    ("vocabulary", "Dalston"),
    ("vocabulary", '"Dalston"'),
    ("vocabulary", '{"a": 1}'),
    ("vocabulary", "[1]"),
    ("vocabulary", '[""]'),
    ("vocabulary", '["\\ud800"]'),
    ("vocabulary", "[" * 100_000),
    ("vocabulary", json.dumps(["x" * 51])),
    ("vocabulary", json.dumps(["x"] * 101)),
    *[
        (name, text)
        for name in ("interim_results", "enable_vad", "word_timestamps", "timing")
        for text in ("", "yes", "TRUE", "2")
    ],
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_good_value_is_taken(name: str, text: str, value: Any) -> None:
    assert parse_query({name: text}) == replace(SessionConfig(), **{name: value})


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_query({name: text})
    assert refused.value.param == name
    assert refused.value.message.startswith(name)
    assert len(refused.value.message) < 200


def test_a_bad_silence_is_told_what_there_is() -> None:
    with pytest.raises(InvalidParameter) as refused:
        parse_query({"min_silence_ms": "7"})
    assert refused.value.message == (
        "min_silence_ms must be auto or a whole number from 100 to 3000, not '7'"
    )


def test_without_parameters_the_protocols_defaults_hold() -> None:
    config = parse_query({})
    assert (config.model, config.language, config.encoding, config.sample_rate) == (
        "fast",
        "auto",
        "pcm_s16le",
        16_000,
    )
    assert (config.channels, config.min_silence_ms, config.vocabulary) == (1, 300, ())
    assert config.interim_results
    assert config.enable_vad
    assert not config.word_timestamps
    assert not config.timing


def test_unknown_parameters_are_ignored() -> None:
    assert parse_query({"colour": "red", "session_id": "1", "Model": "x"}) == SessionConfig()


NAMES = [name for name, _, _ in GOOD]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=60)))
def test_any_query_is_parsed_or_refused_and_what_is_parsed_can_travel(query: dict[str, str]) -> None:
    with suppress(InvalidParameter):
        config = parse_query(query)
        assert travelled(config) == config


def travelled(config: SessionConfig) -> SessionConfig:
    """The parameters as they go to a worker and into a checkpoint."""
    return msgspec.json.decode(msgspec.json.encode(config), type=SessionConfig)


@given(st.lists(st.text(max_size=50), max_size=3))
def test_any_vocabulary_that_is_taken_can_travel(phrases: list[str]) -> None:
    config = parse_query({"vocabulary": json.dumps([p or "x" for p in phrases])})
    assert config.vocabulary == tuple(p or "x" for p in phrases)
    assert travelled(config) == config


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ({}, {}),
        ({"min_silence_ms": 500}, {"min_silence_ms": 500}),
        ({"min_silence_ms": "500"}, {"min_silence_ms": 500}),
        ({"min_silence_ms": 500.0}, {"min_silence_ms": 500}),
        ({"min_silence_ms": "auto"}, {"min_silence_ms": "auto"}),
        ({"language": "fr", "interim_results": False}, {"language": "fr", "interim_results": False}),
        ({"language": "pt_BR"}, {"language": "pt"}),
        ({"language": "YUE"}, {"language": "yue"}),
        ({"interim_results": "true"}, {}),
    ],
)
def test_a_config_message_changes_what_may_change(message: dict[str, Any], changes: dict[str, Any]) -> None:
    command = decode_command(json.dumps({**message, "type": "config"}))
    assert isinstance(command, ConfigCommand)
    assert apply_config(SessionConfig(), command) == replace(SessionConfig(), **changes)


@pytest.mark.parametrize(
    "name", ["sample_rate", "encoding", "model", "vocabulary", "min_silence", "flush", "$.id"]
)
def test_a_config_message_with_another_field_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadCommand) as refused:
        decode_command(json.dumps({"min_silence_ms": 500, name: 8_000, "type": "config"}))
    assert str(refused.value) == (
        f"config can't change {name!r} in a session; "
        "it can change min_silence_ms, language, interim_results; nothing of this message was applied"
    )


def test_a_long_name_of_a_field_is_not_repeated_whole() -> None:
    with pytest.raises(BadCommand) as refused:
        decode_command(json.dumps({"type": "config", "`\n" * 10_000: 1}))
    assert len(str(refused.value)) < 250


def test_other_commands_may_have_fields_that_are_not_known() -> None:
    assert decode_command('{"type":"flush","id":"a","sample_rate":1}') == FlushCommand(id="a")
    assert decode_command('{"type":"end","colour":"red"}') == EndCommand()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_silence_ms", 99),
        ("min_silence_ms", 500.5),
        ("min_silence_ms", -500),
        ("min_silence_ms", True),
        ("min_silence_ms", None),
        ("min_silence_ms", [500]),
        ("min_silence_ms", float("inf")),
        ("language", "English"),
        ("language", None),
        ("language", {}),
        ("language", nested(1_020)),
        ("interim_results", "maybe"),
        ("interim_results", 2),
        ("interim_results", None),
    ],
)
def test_a_config_message_with_a_bad_value_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameter) as refused:
        apply_config(SessionConfig(), ConfigCommand(**{name: value}))
    assert refused.value.param == name
