"""A text frame of a session in, what it says out."""

from typing import Any, Final, TypeAlias

import orjson

CONTROLS: Final = ("flush", "config", "keepalive", "end")
MAX_TEXT: Final = 1 << 16  # bytes of one control message
MAX_ID: Final = 200  # characters of a flush id

Json: TypeAlias = dict[str, Any]


def parse_control(text: str, also: tuple[str, ...] = ()) -> Json:
    """A text frame of a client, or of a type in `also`, which its gateway sends.

    Raises:
        ValueError: it is too long, not a JSON object, or of no known type.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"a message of more than {MAX_TEXT} characters")
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError("not JSON; a text frame is a JSON object with a type") from None
    if not isinstance(message, dict) or message.get("type") not in (*CONTROLS, *also):
        raise ValueError(f"not a JSON object whose type is one of {', '.join(CONTROLS)}")
    return message


def flush_id(message: Json) -> str:
    """The id of a `flush`; one without has an empty id.

    Raises:
        ValueError: it is not a string, or too long.
    """
    name = message.get("id", "")
    if not isinstance(name, str) or len(name) > MAX_ID:
        raise ValueError(f"the id of a flush must be a string of at most {MAX_ID} characters")
    return name
