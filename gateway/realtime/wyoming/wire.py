"""Reads and writes the events of the Wyoming protocol, within bounds.

An event is a line of JSON, as many bytes of further JSON as `data_length` of the line says, and as many
bytes of audio as its `payload_length` says. The library `wyoming` takes any length, so it is not used.
"""

import asyncio
from typing import Annotated, Any, Final, TypeVar

import msgspec

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from dalston_realtime.protocol.errors import DalstonError

T = TypeVar("T")

VERSION: Final = "1.10.2"  # Of the protocol, as the library of that version speaks it.
MAX_LINE_BYTES: Final = 1 << 16  # Bytes of the line; the library reads no longer one either.
MAX_DATA_BYTES: Final = 1 << 18  # Bytes of the JSON behind the line: names and terms of a house.


class BadWyomingEvent(DalstonError):
    """What a client sent is no event; the message says what is wrong."""


class WyomingEvent(msgspec.Struct, frozen=True):
    """One event; `payload` is audio."""

    type: str
    data: dict[str, Any] = {}
    payload: bytes = b""


class WyomingLine(msgspec.Struct, omit_defaults=True):
    """The line with which an event begins; old clients put `data` into it."""

    type: str
    version: str = ""
    data: dict[str, Any] | None = None
    data_length: Annotated[int, msgspec.Meta(ge=0, le=MAX_DATA_BYTES)] | None = None
    payload_length: Annotated[int, msgspec.Meta(ge=0, le=MAX_FRAME_BYTES)] | None = None


_LINES: Final[msgspec.json.Decoder[WyomingLine]] = msgspec.json.Decoder(WyomingLine)
_OBJECTS: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])


class WyomingReader:
    """Reads the events of one client; `body_seconds` is for what belongs to a line to arrive.

    The limit of `stream` must be MAX_LINE_BYTES.
    """

    def __init__(self, stream: asyncio.StreamReader, body_seconds: float) -> None:
        self._stream, self._body_seconds = stream, body_seconds

    async def read_event(self, seconds: float) -> WyomingEvent | None:
        """The next event, which may be so many seconds in coming; None where the connection is closed.

        Raises:
            BadWyomingEvent: what comes is none, or not all of it comes.
            TimeoutError: nothing comes; what has come of a line is kept.
        """
        try:
            async with asyncio.timeout(seconds):
                line = await self._read_line()
            if line is None:
                return None
            return await self._read_body(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _read_line(self) -> WyomingLine | None:
        try:
            line = await self._stream.readline()
        except ValueError:
            raise BadWyomingEvent(f"a line is longer than {MAX_LINE_BYTES} bytes") from None
        return _decode(line, _LINES) if line.endswith(b"\n") else None

    async def _read_body(self, line: WyomingLine) -> WyomingEvent:
        data = line.data or {}
        try:
            async with asyncio.timeout(self._body_seconds):
                behind = await self._stream.readexactly(line.data_length or 0)
                payload = await self._stream.readexactly(line.payload_length or 0)
        except TimeoutError:
            raise BadWyomingEvent(f"not all of {line.type[:40]} came in time") from None
        if behind:
            data = data | _decode(behind, _OBJECTS)
        return WyomingEvent(line.type, data, payload)


def pack_event(event: WyomingEvent) -> bytes:
    """The bytes of an event."""
    data = msgspec.json.encode(event.data) if event.data else b""
    line = WyomingLine(event.type, VERSION, None, len(data) or None, len(event.payload) or None)
    return b"".join((msgspec.json.encode(line), b"\n", data, event.payload))


def _decode(text: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadWyomingEvent(f"not an event of Wyoming: {error}"[:200]) from None
