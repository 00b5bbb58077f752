"""Reads what clients put into text frames: JSON objects, and audio in base64."""

import binascii
from typing import Any, Final

import msgspec

from dalston_realtime.protocol.errors import DalstonError

MAX_SHOWN_TEXT: Final = 200  # Characters of a value that a client is told again; ids have 30.

_DECODER: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])


class UnreadableFrame(DalstonError):
    """A text frame of a client can't be read; the message says what would be right."""


def decode_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in a text frame.

    Raises:
        UnreadableFrame: it is none, or nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise UnreadableFrame("a text frame must be a JSON object") from None


def plain_text(value: Any) -> str | None:
    """A value as text, None where it is none or a list or an object.

    Those may be nested so deeply that they can be read and not be written.
    """
    return str(value) if isinstance(value, str | int | float) else None


def plain_texts(values: Any) -> tuple[str, ...]:
    """The values of a list as texts; none where it is no list."""
    texts = map(plain_text, values) if isinstance(values, list) else ()
    return tuple(text for text in texts if text is not None)


def decode_audio(text: Any) -> bytes:
    """The bytes of audio in base64; nothing is no audio.

    Raises:
        UnreadableFrame: it is no base64.
    """
    if text is None or text == "":
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (TypeError, ValueError):
        raise UnreadableFrame("audio must be base64") from None
