"""Builds the URLs of the server's endpoints from its address."""

import ipaddress
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

from dalston_realtime.client.errors import UsageError

DEFAULT_URL: Final = "ws://127.0.0.1:8000"
STREAM_PATH: Final = "/v1/audio/transcriptions/stream"
_SECURE: Final = {"ws": False, "http": False, "wss": True, "https": True}


def stream_url(base: str, parameters: Mapping[str, Any]) -> str:
    """The WebSocket URL of a session; parameters that are None are left to the server's defaults.

    Raises:
        UsageError: `base` is not an address of a server.
    """
    parts = _split(base)
    scheme = "wss" if _SECURE[parts.scheme] else "ws"
    path = _base_path(parts) + STREAM_PATH
    given = {name: _as_text(value) for name, value in parameters.items() if value is not None}
    return urlunsplit((scheme, parts.netloc, path, urlencode(given), ""))


def rest_url(base: str, path: str) -> str:
    """The HTTP URL of the REST endpoint `path`.

    Raises:
        UsageError: `base` is not an address of a server.
    """
    parts = _split(base)
    scheme = "https" if _SECURE[parts.scheme] else "http"
    return urlunsplit((scheme, parts.netloc, _base_path(parts) + path, "", ""))


def port_note(base: str) -> str:
    """A note for errors on the port that was tried, where the address names none."""
    parts = _split(base)
    port = 443 if _SECURE[parts.scheme] else 80
    return f" on port {port}, since the address names none" if parts.port is None else ""


def is_loopback(base: str) -> bool:
    """Whether the server is on this host, where no proxy of the environment can reach it."""
    host = _split(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(base: str) -> SplitResult:
    """The parts of the address; one without a scheme, such as `localhost:8000`, is a ws URL."""
    try:
        parts = urlsplit(base if "://" in base else f"ws://{base}")
        usable = parts.scheme in _SECURE and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{base!r} is not the URL of a server; give one such as {DEFAULT_URL}")
    return parts


def _base_path(parts: SplitResult) -> str:
    """The path that the server lives under; the whole stream URL is taken as well."""
    return parts.path.removesuffix(STREAM_PATH).rstrip("/")


def _as_text(value: Any) -> str:
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
