"""Tells the address under which others reach a process, or why there is none, from where it listens."""

import errno
import socket

from runtime.errors import StartupError
from runtime.settings import PREFIX


def cannot_listen(who: str, host: str, port: int, error: OSError | UnicodeError) -> StartupError:
    """What is wrong with the address of `who` (gateway, receiver), and which of its settings to change."""
    why = error.strerror if isinstance(error, OSError) else "not a host name"
    setting = "PORT" if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES) else "HOST"
    return StartupError(
        f"can't listen on {host} port {port}: {why}; set another {PREFIX}{who.upper()}_{setting}"
    )


def reached_at(host: str, port: int, advertised: str | None) -> str:
    """The host:port at which other machines reach a process that listens on `host`."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = socket.gethostname()
    host = (advertised or host).strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
