"""Finds the key that a client shows to the server, and puts it into a header."""

import os
from contextvars import ContextVar
from typing import Final

from dalston_realtime.client.errors import UsageError

VARIABLE: Final = "DALSTON_API_KEY"  # The environment variable with the key.

_used: Final[ContextVar[str | None]] = ContextVar("api_key", default=None)


def use_api_key(key: str | None) -> None:
    """Show this key from now on, in this task and in those that it starts; None: that of DALSTON_API_KEY."""
    _used.set(key)


def authorization(key: str | None = None) -> dict[str, str]:
    """The header with this key, else with the one that is used; nothing where there is none.

    Raises:
        UsageError: it can't stand in a header.
    """
    key = key or _used.get() or os.environ.get(VARIABLE)
    if not key:
        return {}
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"the key has characters that no key has; see {VARIABLE} and --key")
    return {"Authorization": f"Bearer {key}"}
