"""Tells the address under which others reach a process, or why there is none, from where it listens."""

import errno
import os
import socket
from contextlib import suppress
from typing import Final

from runtime.errors import StartupError
from runtime.settings import PREFIX

ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
# Addresses of networks that are kept for documentation: which of our addresses would be used to get there.
ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def cannot_listen(who: str, host: str, port: int, error: OSError | UnicodeError) -> StartupError:
    """What is wrong with the address of `who` (gateway, receiver), and which of its settings to change."""
    number = (error.errno or 0) if isinstance(error, OSError) else 0
    why = error.strerror if isinstance(error, OSError) else "not a host name"
    if number in errno.errorcode:  # asyncio puts the address into its text too, where it would stand twice.
        why = os.strerror(number).lower()
    setting = "PORT" if number in (errno.EADDRINUSE, errno.EACCES) else "HOST"
    return StartupError(
        f"can't listen on {host} port {port}: {why}; set another {PREFIX}{who.upper()}_{setting}"
    )


def reached_at(host: str, port: int, advertised: str | None) -> str:
    """The host:port at which other machines reach a process that listens on `host`."""
    if host in ANY:
        host = socket.gethostname()
    host = (advertised or host).strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown_at(host: str, port: int, advertised: str | None) -> str:
    """The host:port to show to people for what listens on `host`: no name that only we may know."""
    return reached_at(own_ip() if host in ANY else host, port, advertised if host in ANY else None)


def own_ip() -> str:
    """This machine's address in its network, or its name where it has none; nothing is sent to find it."""
    for family, address in ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return str(probe.getsockname()[0])
    return socket.gethostname()
