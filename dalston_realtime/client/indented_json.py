"""Writes values as JSON that a person can read."""

from typing import Any

import msgspec


def indented_json(value: Any) -> str:
    """The JSON of `value`, indented by two spaces."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
