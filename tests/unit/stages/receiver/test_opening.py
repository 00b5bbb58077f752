"""A gateway's request for a session: what it becomes, and what is refused; a session that goes on."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.commands import BadCommand
from dalston_realtime.protocol.parameters import SessionConfig, parse_query
from runtime.worker_link import (
    VERSION,
    BadLinkMessage,
    OpenSession,
    ResumePoint,
    UnknownLinkVersion,
    decode_gateway_message,
    encode,
)
from stages.assembler.stage import AssemblerStage
from stages.codec import decode as decode_message
from stages.codec import encode as encode_message
from stages.endpoint_rules import EndpointRules
from stages.messages import Open
from stages.receiver.opening import connection_key, connection_of, openings, read_open
from stages.vad.vad_session import vad_session_from
from tests.support.builders import ROUTE, SECOND, close, final, hypothesis, opened
from tests.support.play import ManualClock, at_once, json_events, play

PREVIOUS = ("it", "was", "the", "worst", "of")


def asked(config: SessionConfig | None = None, **changes: Any) -> OpenSession:
    """A request for a session."""
    values: dict[str, Any] = {"version": VERSION, "session_id": "s", "link_id": "1"} | changes
    return OpenSession(config=config or SessionConfig(), **values)


def test_an_opening_holds_what_the_client_asked_for() -> None:
    config = SessionConfig(model="m", language="en", vocabulary=("a",), timing=True, min_silence_ms=500)
    message = openings(asked(config), ROUTE)[0]
    assert message == Open("s.1", ROUTE, "s", "m", "en", True, True, False, 500, ("a",), True)


def test_a_gateway_says_where_a_session_goes_on() -> None:
    resume = ResumePoint(
        clock=32_000,
        replayed=48_000,
        utterance=7,
        previous_words=("of", "times."),
        overlaps=True,
        stable_words=("it", "was"),
        partial_shown=True,
    )
    assert openings(asked(resume=resume, degraded=True), ROUTE)[0] == opened(
        "s.1",
        session_id="s",
        start=32_000,
        utterance=7,
        previous_words=("of", "times."),
        overlaps=True,
        stable_words=("it", "was"),
        partial_shown=True,
        replayed=48_000,
        degraded=True,
    )


def request(**changes: Any) -> dict[str, Any]:
    """A request as JSON values, with some of them changed."""
    values: dict[str, Any] = msgspec.to_builtins(asked(resume=ResumePoint(clock=0, replayed=0, utterance=1)))
    for name, value in changes.items():
        place, _, field = name.partition("__")
        if field:
            values[place][field] = value
        else:
            values[place] = value
    return values


def as_frame(values: Any) -> str:
    return msgspec.json.encode(values).decode()


def test_a_request_is_read() -> None:
    assert read_open(encode(asked())) == asked()
    assert read_open(as_frame(request(config={}, resume=None, colour="red"))) == asked()


def test_a_request_for_a_region_is_one_for_the_language() -> None:
    assert read_open(as_frame(request(config__language="pt_BR"))).config.language == "pt"


@pytest.mark.parametrize("version", [0, VERSION + 1, 10**30])
def test_another_version_is_named_whatever_else_it_says(version: int) -> None:
    with pytest.raises(UnknownLinkVersion, match=f"version {version} .* speaks {VERSION}"):
        read_open(as_frame({"version": version, "colour": "red"}))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1"},
        {"type": "presence"},
        {"session_id": ""},
        {"session_id": "two words"},
        {"session_id": "x" * 201},
        {"link_id": "\n"},
        {"link_id": None},
        {"config__sample_rate": 7},
        {"config__sample_rate": 0},
        {"config__sample_rate": 10**20},
        {"config__channels": 0},
        {"config__encoding": "opus"},
        {"config__min_silence_ms": -450},
        {"config__min_silence_ms": "never"},
        {"config__language": "English"},
        {"config__model": ""},
        {"config__vocabulary": [""]},
        {"config__vocabulary": "words"},
        {"config__overflow": "wait"},
        {"config__interim_results": 1},
        {"resume__clock": -1},
        {"resume__clock": 10**30},
        {"resume__replayed": -1},
        {"resume__replayed": 0.5},
        {"resume__utterance": 0},
        {"resume__previous_words": [""]},
        {"resume__previous_words": ["two words"]},
        {"resume__stable_words": ["\n"]},
        {"degraded": "yes"},
    ],
    ids=str,
)
def test_a_request_with_a_bad_value_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadLinkMessage):
        read_open(as_frame(request(**changes)))


@pytest.mark.parametrize("frame", ["", "hello", "[]", "1", "{}", "[" * 100_000, b"\xff", '{"version":'])
def test_what_is_no_request_is_refused(frame: str | bytes) -> None:
    with pytest.raises(BadLinkMessage):
        read_open(frame)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
NAMES = [*request(), *(f"{part}__{name}" for part in ("config", "resume") for name in request()[part])]


@given(st.dictionaries(st.sampled_from(NAMES), json_values, max_size=3))
def test_any_values_can_be_worked_with_or_are_refused(changes: dict[str, Any]) -> None:
    for place in ("config", "resume"):  # a whole part, or fields of it
        if place in changes:
            changes = {name: value for name, value in changes.items() if not name.startswith(place + "__")}
    works_or_is_refused(as_frame(request(**changes)))


@given(st.text() | st.binary())
def test_any_frame_is_a_request_or_refused(frame: str | bytes) -> None:
    works_or_is_refused(frame)


@given(st.data())
def test_a_mutated_request_is_a_request_or_refused(data: st.DataObject) -> None:
    frame = bytearray(as_frame(request()).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    works_or_is_refused(bytes(frame))
    works_or_is_refused(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def works_or_is_refused(frame: str | bytes) -> None:
    """Every request that is accepted can go through the pipeline."""
    try:
        message = openings(read_open(frame), ROUTE)[0]
    except BadLinkMessage:
        return
    assert decode_message(encode_message(message)) == message


@given(st.lists(st.text(max_size=50), max_size=100))
def test_any_vocabulary_that_is_taken_can_travel(phrases: list[str]) -> None:
    config = parse_query({"vocabulary": msgspec.json.encode([p or "x" for p in phrases]).decode()})
    assert config.vocabulary == tuple(p or "x" for p in phrases)
    works_or_is_refused(encode(asked(config)))


@given(st.text())
def test_any_text_behind_it_is_a_message_or_a_bad_command(text: str) -> None:
    with suppress(BadCommand):
        decode_gateway_message(text)


def test_the_vad_begins_at_the_clock() -> None:
    speaker = vad_session_from(opened(start=5_120), EndpointRules())
    speaker.append_samples(bytes(2 * 512), ())
    assert (speaker.received, speaker.endpointer.position, speaker.windows) == (5_632, 5_120, 1)
    assert speaker.slice(5_120, 5_632) == bytes(1_024)


def said(*history: object, **where: object) -> list[tuple[str, str]]:
    """Types and texts of what an assembler makes of a session that goes on."""
    clock = ManualClock()
    packets = play(AssemblerStage(clock), at_once(opened(**where), *history), clock)  # type: ignore[arg-type]
    return [(e["type"], e["text"]) for e in json_events(packets) if "text" in e]


def test_words_that_are_final_already_are_not_said_again() -> None:
    history = hypothesis("Worst of times it"), final("Worst of times it was"), final("times it")
    assert said(*history, previous_words=PREVIOUS, overlaps=True) == [
        ("transcript.partial", "times it"),
        ("transcript.final", "times it was"),
        ("transcript.final", "times it"),
    ]


def test_a_sentence_goes_on_where_it_was_interrupted() -> None:
    again = final("worst of all")
    assert said(again, previous_words=PREVIOUS) == [("transcript.final", "worst of all")]
    assert said(again, previous_words=("times.",)) == [("transcript.final", "Worst of all")]


def test_what_was_promised_stands_and_what_was_shown_gets_its_final() -> None:
    promised = {"previous_words": PREVIOUS, "stable_words": ("times", "and"), "partial_shown": True}
    assert said(final("times and again"), **promised) == [("transcript.final", "times and again")]
    assert said(final("time and again"), **promised) == [("transcript.final", "times and again")]
    assert said(final(""), previous_words=PREVIOUS, partial_shown=True) == [("transcript.final", "")]
    assert said(final(""), previous_words=PREVIOUS) == []


def test_numbers_go_on() -> None:
    clock = ManualClock()
    history = at_once(opened(utterance=7, start=SECOND), final("Seven."), close(2 * SECOND))
    packets = play(AssemblerStage(clock), history, clock)
    assert [e["utterance"] for e in json_events(packets, "transcript.final")] == [7]
    assert json_events(packets, "session.end")[0]["segments"][0]["utterance"] == 7


def test_each_separate_channel_is_opened_with_its_own_key_and_its_own_point() -> None:
    config = SessionConfig(channels=2, channel_mode="separate")
    left = ResumePoint(clock=32_000, replayed=64_000, utterance=3, previous_words=("left",))
    resume = ResumePoint(
        clock=16_000, replayed=64_000, utterance=2, others=(left,), stable_words=("it",), partial_shown=True
    )
    first, second = openings(asked(config, resume=resume), ROUTE)
    assert first.channels == second.channels == (first.session, second.session)
    assert (first.channel, second.channel) == (0, 1)
    assert (first.start, first.utterance, first.stable_words) == (16_000, 2, ("it",))
    assert (second.start, second.utterance, second.previous_words) == (32_000, 3, ("left",))
    assert connection_of(first.session) == connection_of(second.session) == connection_key(asked(config))


def test_points_must_be_as_many_as_the_channels() -> None:
    other = ResumePoint(clock=0, replayed=0, utterance=1)
    resume = ResumePoint(clock=0, replayed=0, utterance=1, others=(other, other))
    frame = encode(asked(SessionConfig(channels=2, channel_mode="separate"), resume=resume))
    with pytest.raises(BadLinkMessage, match="others"):
        read_open(frame)


def test_a_worker_takes_samples_alone() -> None:
    with pytest.raises(BadLinkMessage, match="gateways decode opus"):
        read_open(encode(asked(SessionConfig(encoding="opus"))))
