"""Finds the JSON in what a language model says around it."""

import json
from typing import Any, Final, TypeVar

import msgspec

MAX_ANSWER: Final = 262_144  # Characters of an answer that are looked at.
MAX_READ: Final = 4 * MAX_ANSWER  # Characters that are read, wherever JSON seems to begin: about 0.1 s.
TOO_LONG: Final = 10_000  # Characters that count as read where Python refuses the JSON: it takes as long.

T = TypeVar("T")

_DECODER: Final = json.JSONDecoder()  # Unlike msgspec's it takes text behind the JSON.


def find_json(answer: str, kind: type[T]) -> T | None:
    """The first JSON object or list of this kind in an answer, None where there is none.

    Models put code fences, greetings and thoughts around it, whatever they are told.
    """
    answer, read = answer[:MAX_ANSWER], 0
    for at, letter in enumerate(answer):
        if read > MAX_READ:
            break
        if letter in "{[":
            value, length = _read_at(answer, at)
            read += length
            if (found := _converted(value, kind)) is not None:
                return found
    return None


def _read_at(text: str, at: int) -> tuple[Any, int]:
    """The JSON that begins there, None where none does, and how many characters were read for it."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        return None, error.pos - at + 1
    except (ValueError, RecursionError):  # A number of thousands of digits, or lists in lists.
        return None, TOO_LONG
    return value, end - at


def _converted(value: Any, kind: type[T]) -> T | None:
    """The value as one of this kind, None where it is none, or has half a character that none can store."""
    try:
        found = msgspec.convert(value, kind)
        msgspec.json.encode(found)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        return None
    return found
