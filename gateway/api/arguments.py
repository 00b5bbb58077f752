"""Reads the arguments of a REST request into the types that its handler names, and says what is wrong."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from starlette.requests import Request

from dalston_realtime.protocol.errors import InvalidParameter

MAX_BODY: Final = 65_536  # Bytes of a JSON body: a title and the names of 100 speakers.
SHOWN: Final = 80  # Characters of a name or a value that an error repeats.
_IN_PATH: Final = re.compile(r"{(\w+)(?::\w+)?}")

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


def path_names(path: str) -> list[str]:
    """The names of the arguments in a path."""
    return _IN_PATH.findall(path)


def plain_path(path: str) -> str:
    """The path without what the router needs to know of its arguments."""
    return _IN_PATH.sub(r"{\1}", path)


def read_value(name: str, text: str, kind: Any) -> Any:
    """A value from its text.

    Raises:
        InvalidParameter: it is not of its kind.
    """
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        name, wanted = name[:SHOWN], must_be(kind)
        why = f"must be {wanted}, not {text[:SHOWN]!r}" if wanted else f"is not valid: {error}"
        raise InvalidParameter(name, f"{name} {why}") from None


def must_be(kind: Any) -> str | None:
    """What a value must be, in words, where its type says so: `Meta(extra={"must_be": ...})`."""
    for meta in _metas(kind):
        if meta.extra and "must_be" in meta.extra:
            return str(meta.extra["must_be"])
    return None


def _metas(kind: Any) -> Iterator[msgspec.Meta]:
    for each in get_args(kind):
        if isinstance(each, msgspec.Meta):
            yield each
        else:
            yield from _metas(each)


def read_fields(struct: type[AnyStruct], given: Mapping[str, str]) -> AnyStruct:
    """The struct of parameters; what is unknown is left out.

    A field that is a dict has all parameters whose names begin with its own name and a dot.

    Raises:
        InvalidParameter: one has a bad value.
    """
    found: dict[str, Any] = {}
    for name, known_as, kind in fields_of(struct):
        if is_dict(kind):
            found[name] = dict(_read_entries(known_as, kind, given))
        elif known_as in given:
            found[name] = read_value(known_as, given[known_as], kind)
    return struct(**found)


def fields_of(struct: type[msgspec.Struct]) -> Iterable[tuple[str, str, Any]]:
    """The fields of a struct: their names here, as parameters, and their types with what is said of them."""
    hints = get_type_hints(struct, include_extras=True)
    return [(each.name, each.encode_name, hints[each.name]) for each in msgspec.structs.fields(struct)]


def is_dict(kind: Any) -> bool:
    """Whether a type is a dict, also where something is said of it."""
    return get_origin(getattr(kind, "__origin__", kind)) is dict or get_origin(kind) is dict


def _read_entries(begin: str, kind: Any, given: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    plain = kind if get_origin(kind) is dict else kind.__origin__
    key_kind, value_kind = get_args(plain)
    for name, text in given.items():
        if name.startswith(f"{begin}."):
            yield read_value(name, name, key_kind), read_value(name, text, value_kind)


async def read_body(struct: type[AnyStruct], request: Request, *, may_be_empty: bool = False) -> AnyStruct:
    """The struct of a JSON body; an empty body is an empty object, where it `may_be_empty`.

    Raises:
        InvalidParameter: it is too long, no JSON, or of another form.
    """
    body = b""
    async for data in request.stream():
        body += data
        if len(body) > MAX_BODY:
            raise InvalidParameter("body", f"the body is longer than {MAX_BODY} bytes")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind not in ("", "application/json"):  # A page of another site can send other kinds unasked.
        raise InvalidParameter("body", f"the body must be application/json, not {kind[:SHOWN]!r}")
    try:
        return msgspec.json.decode(body or (b"{}" if may_be_empty else b""), type=struct)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidParameter("body", f"the body is not what is expected: {error}") from None
