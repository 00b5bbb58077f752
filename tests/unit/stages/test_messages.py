"""Messages: all of them survive the wire; bytes that are none of ours are a `BadMessage` and nothing else."""

from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.codec import MAX_HEADER_BYTES, BadMessage, decode, encode
from stages.messages import Audio, Close, EncodedEvent, Hypothesis, Message, UtteranceEnd
from tests.support.builders import ROUTE, hypothesis, opened, speech_end

TYPES = get_args(Message)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    str: st.text(),
    type(None): st.none(),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=5).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    return st.one_of([values_of(a) for a in arguments]) if arguments else SIMPLE[hint]


def messages_of(kind: type[Any]) -> st.SearchStrategy[Message]:
    """Messages of a type."""
    return st.builds(kind, **{name: values_of(hint) for name, hint in get_type_hints(kind).items()})


messages = st.one_of([messages_of(kind) for kind in TYPES])


@given(messages)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode(encode(message)) == message
    assert decode(memoryview(encode(message))) == message


@pytest.mark.parametrize("kind", TYPES)
def test_messages_are_frozen(kind: type[Any]) -> None:
    assert kind.__dataclass_params__.frozen
    assert fields(kind)[0].name in ("session", "stage", "source")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_bad_one(data: bytes) -> None:
    decodes_or_is_bad(data)


@given(messages, st.data())
def test_a_mutated_header_is_a_message_or_a_bad_one(message: Message, data: st.DataObject) -> None:
    header = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(header) - 1))
        header[at] = data.draw(st.integers(0, 255))
    decodes_or_is_bad(bytes(header))
    decodes_or_is_bad(bytes(header[: data.draw(st.integers(0, len(header)))]))


@given(st.integers(0, len(TYPES)), st.lists(json_values, max_size=16))
def test_any_fields_are_a_message_or_a_bad_one(kind: int, values: list[Any]) -> None:
    decodes_or_is_bad(msgpack.packb([kind, *values]))


@pytest.mark.parametrize("depth", [500, 1_000, 2_000, 100_000])
@pytest.mark.parametrize("array", [b"\x91", b"\x81\xa1a"], ids=["arrays", "maps"])
def test_deep_nesting_is_bad(depth: int, array: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(array * depth + b"\x01")
    with pytest.raises(BadMessage):
        decode(b"\x92\x0e" + array * depth + b"\x01")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xc1",
        msgpack.packb("text"),
        msgpack.packb([]),
        msgpack.packb(["0", "s"]),
        msgpack.packb([-1, "s"]),
        msgpack.packb([len(TYPES), "s"]),
        msgpack.packb([1.0, "s", ROUTE, 0, ()]),
        encode(opened()) + b"\x00",
        encode(opened())[:-1],
        b"\xdd\xff\xff\xff\xff\x00",  # an array that says it has four billion values
        msgpack.packb([0, msgpack.Timestamp(1), ROUTE]),
        b"\x00" * (MAX_HEADER_BYTES + 1),
    ],
)
def test_what_is_not_a_message(header: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(header)


def packed(message: Message, **changes: Any) -> bytes:
    """A header in which some fields have other values."""
    values = {f.name: changes.get(f.name, getattr(message, f.name)) for f in fields(message)}
    return msgpack.packb([TYPES.index(type(message)), *values.values()])  # type: ignore[no-any-return]


audio = Audio("s", ROUTE, 0, (1, 2))


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        (audio, "session", b"s"),
        (audio, "session", None),
        (audio, "route", 0),
        (audio, "route", ("0",)),
        (audio, "route", (-1,)),
        (audio, "start", -1),
        (audio, "start", 1.5),
        (audio, "start", True),
        (audio, "stamps", {"a": 1}),
        (opened(), "timing", 1),
        (opened(), "vocabulary", (1,)),
        (speech_end(1), "kind", "END"),
        (speech_end(1), "kind", ["end"]),
        (speech_end(1), "flush_id", 7),
        (Close("s", ROUTE, "end", 0, ()), "reason", "bored"),
        (hypothesis("a"), "confidence", 1),
        (hypothesis("a"), "confidence", "high"),
        (hypothesis("a"), "words", (("word", 0, 1),)),
        (hypothesis("a"), "words", (("word", 0, 1, 2),)),
        (hypothesis("a"), "words", ("word",)),
        (EncodedEvent("s", ROUTE, "k"), "kind", b"k"),
        (EncodedEvent("s", ROUTE, "k"), "endpoint_wait", "long"),
    ],
)
def test_a_field_of_a_wrong_type_is_bad(message: Message, field: str, value: Any) -> None:
    assert decode(packed(message)) == message
    with pytest.raises(BadMessage, match=rf"^{type(message).__name__}\.{field} "):
        decode(packed(message, **{field: value}))


@pytest.mark.parametrize("kind", TYPES)
def test_one_field_more_or_less_is_bad(kind: type[Any]) -> None:
    count = len(fields(kind))
    for wrong in (count - 1, count + 1):
        with pytest.raises(BadMessage, match=f"with {wrong} fields"):
            decode(msgpack.packb([TYPES.index(kind), *["s"] * wrong]))


@pytest.mark.parametrize("flush_id", [None, "", "abc"])
def test_optional_fields_may_be_left_open(flush_id: str | None) -> None:
    end: UtteranceEnd = speech_end(1, flush_id=flush_id)
    said: Hypothesis = hypothesis("a", flush_id=flush_id, words=(("a", 0, 1, None), ("b", 1, 2, 0.5)))
    assert decode(encode(end)) == end
    assert decode(encode(said)) == said


def decodes_or_is_bad(data: bytes) -> None:
    try:
        message = decode(data)
    except BadMessage:
        return
    assert decode(encode(message)) == message
