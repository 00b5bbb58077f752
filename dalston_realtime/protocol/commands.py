"""Defines every text frame that a client may send besides audio, and decodes and encodes them."""

import re
from typing import Any, Final, TypeAlias

import msgspec

from dalston_realtime.protocol.errors import DalstonError

MAX_TEXT: Final = 1 << 16  # Characters of one message, which is far above a vocabulary of the largest size.
MAX_ID: Final = 200  # Characters of the id of a flush.
MAX_SHOWN: Final = 40  # Characters of a client's text that an error repeats.


class BadCommand(DalstonError, ValueError):
    """A text frame is not a command of the protocol; the message says what would be right."""


class FlushCommand(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="flush"):
    """Finalize what was said so far, and go on; answered by exactly one final that carries the `id`."""

    id: str = ""

    def __post_init__(self) -> None:
        if len(self.id) > MAX_ID:
            raise ValueError(f"the id of a flush must be a string of at most {MAX_ID} characters")


class ConfigCommand(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="config",
):
    """Changes what may change in a session, from the next utterance on; another field makes it a bad command.

    The values are as the client sent them; `parameters.apply_config` checks them.
    """

    min_silence_ms: Any = msgspec.UNSET
    language: Any = msgspec.UNSET
    interim_results: Any = msgspec.UNSET


class KeepaliveCommand(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="keepalive"):
    """The client is there, and has nothing to say at the moment."""


class EndCommand(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="end"):
    """No more audio: everything received is transcribed, then `session.end` comes."""


Command: TypeAlias = FlushCommand | ConfigCommand | KeepaliveCommand | EndCommand

TYPES: Final = ("flush", "config", "keepalive", "end")

_UNKNOWN_FIELD: Final = re.compile(r"unknown field `(.*)`", re.DOTALL)
"""How msgspec names a field that is not known; only a `config` may have none."""

_DECODER: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(Command)
_ENCODER: Final = msgspec.json.Encoder()


def decode_command(text: str) -> Command:
    """The command in a text frame of a client; fields that are not known are ignored, except in a `config`.

    Raises:
        BadCommand: it is too long, not a JSON object, of no known type, has a bad flush id, or is a `config`
            with a field that can't be changed.
    """
    if len(text) > MAX_TEXT:
        raise BadCommand(f"a message of more than {MAX_TEXT} characters")
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise BadCommand(_what_is_wrong(str(error))) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadCommand("not JSON; a text frame is a JSON object with a type") from None


def encode_command(command: Command) -> str:
    """The JSON of a command."""
    return _ENCODER.encode(command).decode()


def _what_is_wrong(error: str) -> str:
    if unknown := _UNKNOWN_FIELD.search(error):
        changeable = ", ".join(ConfigCommand.__struct_fields__)
        return (
            f"config can't change {unknown[1][:MAX_SHOWN]!r} in a session; it can change {changeable}; "
            "nothing of this message was applied"
        )
    if "$.id" in error or "flush" in error:
        return f"the id of a flush must be a string of at most {MAX_ID} characters"
    return f"not a JSON object whose type is one of {', '.join(TYPES)}"
