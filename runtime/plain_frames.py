"""Reads and writes the ordinary WebSocket frame, which is a whole message, past the parser of websockets.

Checked against websockets 17.4; tests/unit/runtime/test_plain_frames.py fails where another version behaves
differently. A chunk of audio is one such frame, and a read from the socket mostly brings one or several whole
ones. What is in parts, compressed, a control frame, too long or against the protocol is left to the parser.

- The parser waits between two frames while the second generator inside of `parser` is `at_eof`.
- `current_size` is None outside of a message in parts, and `max_message_size` the limit of one.
- `recv_messages.put` takes a frame that was read.
"""

import os
import struct
from collections.abc import Callable
from typing import Any, Final

from websockets import frames as websockets_frames
from websockets.asyncio.connection import Connection
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol, State

OPCODES: Final = {0x80 | Opcode.TEXT: Opcode.TEXT, 0x80 | Opcode.BINARY: Opcode.BINARY}
"""The first byte of a frame that is a whole message without extensions, and what it is."""

apply_mask: Final[Callable[[bytes, bytes], bytes]] = websockets_frames.apply_mask  # type: ignore[attr-defined]
"""That of websockets, in C where it was built."""

MASKED: Final = 0x80  # Flag of the second byte.
LONG, LONGEST = 126, 127  # Second bytes that say in how many bytes the length follows: two, eight.
SHORTEST: Final = 14  # Bytes of the longest head: what is shorter saves nothing.


def read_plain_frames(protocol: Protocol, data: bytes) -> tuple[list[Frame], bytes]:
    """The ordinary frames that `data` begins with, and the rest of it, which is for the parser."""
    frames: list[Frame] = []
    if not _is_between_frames(protocol):
        return frames, data
    at, limit, is_masked = 0, protocol.max_message_size, protocol.side is SERVER
    while len(data) - at >= SHORTEST and (opcode := OPCODES.get(data[at])):
        start, length = _payload_place(data, at)
        start += 4 if is_masked else 0
        end = start + length
        if is_masked != bool(data[at + 1] & MASKED) or end > len(data) or (limit and length > limit):
            break
        payload = data[start:end]
        frames.append(Frame(opcode, apply_mask(payload, data[start - 4 : start]) if is_masked else payload))
        at = end
    return frames, data[at:]


def _is_between_frames(protocol: Protocol) -> bool:
    if protocol.state is not State.OPEN or protocol.current_size is not None or protocol.extensions:
        return False
    parser: Any = protocol.parser
    inner = parser.gi_yieldfrom and parser.gi_yieldfrom.gi_yieldfrom
    return inner is not None and bool(inner.__name__ == "at_eof")


def _payload_place(data: bytes, at: int) -> tuple[int, int]:
    """Where the mask or the payload of the frame at `at` begins, and the length of the payload."""
    size = data[at + 1] & ~MASKED
    if size < LONG:
        return at + 2, size
    end = at + (4 if size == LONG else 10)
    return end, int.from_bytes(data[at + 2 : end], "big")


def plain_frame(opcode: Opcode, payload: bytes, *, is_masked: bool) -> bytes:
    """The bytes of a frame that is a whole message."""
    first, flag, size = 0x80 | opcode, MASKED if is_masked else 0, len(payload)
    if size < LONG:
        head = bytes((first, flag | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, flag | LONG, size)
    else:
        head = struct.pack("!BBQ", first, flag | LONGEST, size)
    if not is_masked:
        return head + payload
    mask = os.urandom(4)
    return b"".join((head, mask, apply_mask(payload, mask)))


class PlainFrames(Connection):
    """A connection of websockets that reads and writes ordinary frames past its parser and its serializer."""

    def data_received(self, data: bytes) -> None:
        """Handle what came."""
        frames, rest = read_plain_frames(self.protocol, data)
        for frame in frames:
            self.recv_messages.put(frame)
        if rest:
            super().data_received(rest)

    async def send(self, message: Any, *, text: bool | None = None) -> None:
        """Send a message; waits while something waits before it."""
        is_plain = text is None and isinstance(message, bytes | str)
        if not is_plain or not self.send_at_once(message):
            await super().send(message, text=text)

    def send_at_once(self, message: bytes | str) -> bool:
        """Send a message if nothing waits before it, without a task switch; whether it was sent."""
        protocol, transport = self.protocol, self.transport
        if protocol.state is not State.OPEN or protocol.extensions or transport.get_write_buffer_size():
            return False
        is_masked = protocol.side is not SERVER
        if isinstance(message, str):
            transport.write(plain_frame(Opcode.TEXT, message.encode(), is_masked=is_masked))
        else:
            transport.write(plain_frame(Opcode.BINARY, message, is_masked=is_masked))
        return True
