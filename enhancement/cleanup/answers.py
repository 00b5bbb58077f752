"""Finds the JSON in what a language model says around it."""

from typing import Any, Final, TypeVar

import msgspec

MAX_ANSWER: Final = 262_144  # Characters of an answer that are looked at.

T = TypeVar("T")


def find_json(answer: str, kind: type[T]) -> T | None:
    """The first JSON object or list of this kind in an answer, None where there is none.

    Models put code fences, greetings and thoughts around it, whatever they are told.
    """
    answer = answer[:MAX_ANSWER]
    for at, letter in enumerate(answer):
        if letter in "{[" and (found := _decoded(answer[at:], kind)) is not None:
            return found
    return None


def _decoded(text: str, kind: type[T]) -> T | None:
    import json

    try:
        value: Any = json.JSONDecoder().raw_decode(text)[0]
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
