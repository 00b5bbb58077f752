"""Makes frames that no honest peer sends, for the property tests of every decoder."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18, max_value=10**4_000)
    | st.floats()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
"""Any JSON value, with what JSON has no word for: NaN, infinity, lone surrogates."""


def fewer(times: int) -> settings:
    """So many times fewer examples than the profile asks for, for what takes long."""
    return settings(max_examples=max(1, settings().max_examples // times))


def nested(depth: int) -> str:
    """Lists in lists, as JSON text; some depths can be read and not be written."""
    return "[" * depth + "]" * depth


NESTED = "[" * 100_000, '{"a":' * 100_000, "[" * 1_500 + "]" * 1_500


def objects(types: list[str], names: list[str]) -> st.SearchStrategy[str]:
    """Objects of these types with these fields and others, as JSON text."""
    fields = st.dictionaries(st.sampled_from(names) | st.text(max_size=5), JSON, max_size=8)
    kinds = st.sampled_from(types) | JSON
    return st.builds(_as_text, kinds, fields, st.booleans())


def frames(types: list[str], names: list[str]) -> st.SearchStrategy[str]:
    """Text frames: objects, and anything else."""
    return (
        objects(types, names)
        | st.text(st.characters(codec=None))
        | st.sampled_from(NESTED)
        | st.sampled_from(NESTED).map(lambda deep: f'{{"type":"{types[0]}","{names[0]}":{deep}}}')
        | JSON.map(json.dumps)
    )


def raw_frames(types: list[str], names: list[str]) -> st.SearchStrategy[str | bytes]:
    """Frames as bytes as well, broken UTF-8 among them."""
    text = frames(types, names)
    return text | st.binary() | text.map(lambda frame: frame.encode(errors="surrogatepass"))


def hostile_objects(names: Sequence[str], values: Sequence[str]) -> st.SearchStrategy[str]:
    """Objects in objects with these names and values among others, as JSON text."""
    leaves = st.sampled_from(values) | JSON
    inner = st.recursive(
        leaves,
        lambda within: st.dictionaries(st.sampled_from(names), within, max_size=5) | st.lists(within),
        max_leaves=8,
    )
    head = st.fixed_dictionaries({names[0]: st.sampled_from(values)})
    fields = st.dictionaries(st.sampled_from(names), inner, max_size=5)
    return st.builds(lambda first, more: json.dumps(more | first), head, fields) | inner.map(json.dumps)


def _as_text(kind: Any, fields: dict[str, Any], escaped: bool) -> str:
    return json.dumps({**fields, "type": kind}, ensure_ascii=escaped)
