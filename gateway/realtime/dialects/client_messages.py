"""Reads what clients put into text frames: JSON objects, and audio in base64."""

import binascii
from typing import Any, Final

import msgspec

from dalston_realtime.protocol.errors import DalstonError

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
