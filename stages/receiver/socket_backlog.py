"""Tells whether anything of a gateway waits to be read, which the public interface of websockets does not.

Checked against websockets 17.4; tests/unit/stages/receiver/test_socket_backlog.py fails where another version
behaves differently.

- `recv_messages.frames` has the frames that were read from the socket and not yet received.
- `transport` is an attribute of the connection that the documentation leaves out; it knows the socket.
"""

import fcntl
import struct
import termios

from websockets.asyncio.connection import Connection

_COUNT = struct.Struct("i")


def has_backlog(connection: Connection) -> bool:
    """Whether a frame or bytes of one wait, however long this process had no time to look."""
    return bool(len(connection.recv_messages.frames)) or _waiting_bytes(connection) > 0


def _waiting_bytes(connection: Connection) -> int:
    """Bytes that wait in the kernel; 0 for a socket that is closed."""
    raw_socket = connection.transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(raw_socket.fileno(), termios.FIONREAD, bytes(_COUNT.size))
    except (OSError, ValueError, AttributeError):
        return 0
    return int(_COUNT.unpack(answer)[0])
