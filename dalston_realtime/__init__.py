"""Is the Python client of a dalston-realtime server: live audio goes in, typed events come out.

    from dalston_realtime import transcribe_stream

The names of `dalston_realtime.client` are loaded at their first use, so that a server process, which needs
only `dalston_realtime.protocol`, does not load the libraries of the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dalston_realtime.client import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """A name of `dalston_realtime.client`."""
    client = import_module("dalston_realtime.client")
    if name not in client.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(client, name)
