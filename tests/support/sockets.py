"""Has the kernel keep little of what a connection sends, so that who does not read is noticed soon."""

import socket
from typing import Any, Final

LITTLE: Final = (
    32_768  # Bytes; with a few thousand the kernel sends so little at a time that a test takes long.
)


def keep_little(transport: Any) -> None:
    """Have little wait in the kernel; its buffer for what is read may not shrink once it is announced."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
