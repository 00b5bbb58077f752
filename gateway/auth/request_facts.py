"""Reads from a request where it comes from: host, origin, address, and whether a proxy passed it on."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from gateway.settings import Network

UNKNOWN: Final = "unknown"  # The address of a client whose socket has none.
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host")  # What proxies add.
LOCALHOST: Final = "localhost"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of a request: the headers Host and Origin, the client's address, whether a proxy passed it on.

    `is_embedded` says that a page of another site has a browser load it, such as a picture.
    """

    host: str | None = None
    origin: str | None = None
    address: str = UNKNOWN
    is_forwarded: bool = False
    is_embedded: bool = False

    @classmethod
    def of(cls, connection: HTTPConnection, trusted: Sequence[Network] = ()) -> "RequestFacts":
        """The facts of a request or WebSocket; the proxies in `trusted` are believed."""
        headers = connection.headers
        hosts = headers.getlist("host")
        return cls(
            host=hosts[0] if len(hosts) == 1 else None,
            origin=headers.get("origin"),
            address=client_address(connection, trusted),
            is_embedded=_is_embedded(headers),
            is_forwarded=any(name in headers for name in FORWARDED),
        )


def client_address(connection: HTTPConnection, trusted: Sequence[Network] = ()) -> str:
    """The address of the client; X-Forwarded-For is believed from the proxies in `trusted` only.

    It is the last one of the chain that is no such proxy: those before it are what the client says.
    """
    address = connection.client.host if connection.client else UNKNOWN
    named = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
    while named and _is_in(address, trusted):
        found = _plain(named.pop().strip())
        if found is None:
            break
        address = found
    return address


def network_of(address: str) -> str:
    """The network that counts as one client: an IPv4 address, or the 2^64 addresses of one IPv6 host.

    "" for this machine, and where the address is not known.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return ""
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found.packed[:8] + bytes(8), 64)))


def is_loopback_host(host: str | None) -> bool:
    """Whether a host, as headers have it, is this machine; any port will do."""
    try:
        name = urlsplit(f"//{host}").hostname if host else None
        return name == LOCALHOST or (name is not None and ipaddress.ip_address(name).is_loopback)
    except ValueError:
        return False


def is_loopback_origin(origin: str) -> bool:
    """Whether an Origin is a page that a program of this machine serves."""
    scheme, _, host = origin.partition("://")
    return scheme in ("http", "https") and is_loopback_host(host)


def _is_embedded(headers: Headers) -> bool:
    """By what browsers say; they leave Origin out where a page may not read the answer."""
    is_foreign = headers.get("sec-fetch-site") == "cross-site"
    return is_foreign and headers.get("sec-fetch-mode") != "navigate" and "origin" not in headers


def _plain(text: str) -> str | None:
    """An address as X-Forwarded-For has it, without brackets and port; None where it is none."""
    bare = text.partition("]")[0].removeprefix("[") if text.startswith("[") else text
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
