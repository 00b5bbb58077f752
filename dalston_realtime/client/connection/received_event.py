"""Decodes a frame of the server into an event, and keeps what the server sent beside it."""

from typing import Any, TypeAlias
from typing import Final as Constant

import msgspec

from dalston_realtime.client.errors import ProtocolError, one_line
from dalston_realtime.protocol.events import EVENT_TYPES, BadEvent, Count, decode_event
from dalston_realtime.protocol.events import Event as KnownEvent


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type that this version does not know, as a newer server may send it.

    `fields` are all of its fields, `type` and `seq` among them.
    """

    type: str
    seq: Count | None = None
    fields: dict[str, Any]


Event: TypeAlias = KnownEvent | Unknown
"""Every event that a session gives to its reader."""


class ReceivedEvent(msgspec.Struct, frozen=True):
    """An event, and the text frame that it came in."""

    event: Event
    frame: str

    @property
    def fields(self) -> dict[str, msgspec.Raw]:
        """All fields as the server spelled them, those that this version does not know among them."""
        return _FIELDS.decode(self.frame)


class _Envelope(msgspec.Struct):
    """What every event has, whatever its type."""

    type: str
    seq: Count | None = None


_FIELDS: Constant = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENVELOPES: Constant = msgspec.json.Decoder(_Envelope)
_NOT_JSON: Constant = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode_received(frame: str | bytes) -> ReceivedEvent:
    """The event in one frame.

    An unknown type gives `Unknown`, so that a newer server does not break this client.

    Raises:
        ProtocolError: it is not JSON, has no type, or a field is missing or of the wrong type.
    """
    text = _as_text(frame)
    try:
        return ReceivedEvent(decode_event(text), text)
    except BadEvent as error:
        return ReceivedEvent(_decode_unknown(text, error), text)


def _as_text(frame: str | bytes) -> str:
    try:
        return frame if isinstance(frame, str) else frame.decode()
    except UnicodeError as error:
        raise _not_json(error) from None


def _decode_unknown(text: str, error: BadEvent) -> Unknown:
    """The event of an unknown type in `text`; `error` says why it is no known event."""
    try:
        envelope = _ENVELOPES.decode(text)
        if envelope.type not in EVENT_TYPES:
            return Unknown(type=envelope.type, seq=envelope.seq, fields=msgspec.json.decode(text))
    except msgspec.ValidationError:
        raise ProtocolError(f"the server sent an event without a type: {one_line(text, 80)}") from None
    except _NOT_JSON as malformed:
        raise _not_json(malformed) from None
    raise ProtocolError(f"the server sent a bad {one_line(envelope.type, 80)}: {one_line(error.reason, 160)}")


def _not_json(error: Exception) -> ProtocolError:
    return ProtocolError(f"the server sent a frame that is not JSON: {one_line(error, 160)}")
