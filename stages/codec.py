"""Encodes the messages of `stages.messages` as MessagePack, and decodes them, checking each field."""

from dataclasses import fields
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgpack

from stages.messages import Message

MAX_HEADER_BYTES: Final = 2 << 20  # Bytes: more than an `Open`, which comes of a frame of 1 MiB, can have.


class BadMessage(ValueError):
    """Bytes that are not one of our messages."""


def encode(message: Message) -> bytes:
    """The header: a MessagePack array of the type's number and its fields in order."""
    kind = _NUMBERS[type(message)]
    values = [getattr(message, name) for name in _FIELDS[kind]]
    return msgpack.packb([kind, *values])  # type: ignore[no-any-return]


def decode(header: bytes | memoryview) -> Message:
    """The message that a header says.

    Raises:
        BadMessage: it is too long, not MessagePack, of no known type, or a field has a wrong type.
    """
    if len(header) > MAX_HEADER_BYTES:
        raise BadMessage(f"a header of {len(header)} bytes; the limit is {MAX_HEADER_BYTES}")
    try:
        values = msgpack.unpackb(header, use_list=False, strict_map_key=True)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadMessage(f"not MessagePack: {error}") from None
    if not isinstance(values, tuple) or not values or not isinstance(values[0], int):
        raise BadMessage("not an array that begins with a type number")
    kind, *rest = values
    if not 0 <= kind < len(_TYPES) or len(rest) != len(_CHECKS[kind]):
        raise BadMessage(f"type number {kind} with {len(rest)} fields is unknown")
    for name, check, value in zip(_FIELDS[kind], _CHECKS[kind], rest, strict=True):
        if not check(value):
            raise BadMessage(f"{_TYPES[kind].__name__}.{name} can't be a {type(value).__name__} like this")
    return _TYPES[kind](*rest)  # type: ignore[no-any-return]


def _check(hint: Any) -> Any:
    """A predicate for the few kinds of types that fields have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is tuple:
        return _check_tuple(arguments)
    if arguments:  # a union
        checks = [_check(a) for a in arguments]
        return lambda value: any(check(value) for check in checks)
    if hint is int:
        return lambda value: type(value) is int and value >= 0
    return lambda value: type(value) is hint


def _check_tuple(arguments: tuple[Any, ...]) -> Any:
    if arguments[-1] is Ellipsis:
        each = _check(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(each, value))
    checks = [_check(a) for a in arguments]
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check(item) for check, item in zip(checks, value, strict=True))
    )


_TYPES: Final[tuple[Any, ...]] = get_args(Message)
_NUMBERS: Final = {kind: number for number, kind in enumerate(_TYPES)}
_FIELDS: Final = [tuple(f.name for f in fields(kind)) for kind in _TYPES]
_CHECKS: Final = [
    tuple(_check(get_type_hints(kind)[name]) for name in names)
    for kind, names in zip(_TYPES, _FIELDS, strict=True)
]
