"""Finds the address of a webhook's receiver, and refuses those of private networks.

The address that was judged is the one that is connected to: a name that resolves otherwise the next time
(DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_URL: Final = 2_000  # Characters of a URL.
PORTS: Final = {"http": 80, "https": 443}


class BadReceiver(Exception):
    """A webhook can't go to this URL; the message says why. `is_final`: it never can."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where to connect to: `address` is the one of `host` that was judged."""

    scheme: str
    host: str
    port: int
    address: str
    target: str  # Path and query.

    @property
    def url(self) -> str:
        """The URL with the address in place of the name."""
        literal = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{literal}:{self.port}{self.target}"

    @property
    def host_header(self) -> str:
        """What the receiver expects to be called."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def check_url(url: str) -> SplitResult:
    """The parts of the URL of a receiver.

    Raises:
        BadReceiver: it can't be one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadReceiver(f"{url[:80]!r} is no URL: {error}", is_final=True) from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or len(url) > MAX_URL:
        raise BadReceiver(f"{url[:80]!r} is no URL that begins with http:// or https://", is_final=True)
    if parts.username or parts.password or not url.isascii() or not url.isprintable() or " " in url:
        text = f"the URL of {parts.hostname} has a user, a password or signs that must be escaped"
        raise BadReceiver(text, is_final=True)
    return parts


def find_receiver(url: str, *, private: bool) -> Receiver:
    """The receiver at a URL; with `private` it may be in this machine or its network. Blocks.

    Raises:
        BadReceiver: there is none, or it may not be reached.
    """
    parts = check_url(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadReceiver(f"{host} can't be found: {error}") from None
    addresses = [str(each[4][0]) for each in found]
    if not private and (inner := next((each for each in addresses if not _is_public(each)), None)):
        text = f"{host} is {inner}, a private address: DALSTON_WEBHOOK_PRIVATE=1 allows it"
        raise BadReceiver(text)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Receiver(parts.scheme, host, port, addresses[0], target)


def _is_public(address: str) -> bool:
    """Whether an address is one of the internet; of one that holds an IPv4 address, whether that is."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast
