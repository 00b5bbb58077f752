"""Reads the setting `DALSTON_REDIS_URL`, whose URL may have several hosts."""

import re
from typing import Any, Final, NamedTuple

from broker.store.redis_py import Address, is_encrypted, parse_url

SINGLE: Final = ("redis", "rediss", "unix")  # The schemes that redis-py itself knows.
SENTINEL: Final = "redis+sentinel"
CLUSTER: Final = ("redis+cluster", "rediss+cluster")
PORT: Final = 6379  # The TCP port of a Redis where the URL has none.
SENTINEL_PORT: Final = 26379  # The TCP port of a Sentinel where the URL has none.

_URL: Final = re.compile(r"([a-z+]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?")


class UrlParts(NamedTuple):
    """The parts of a URL; all of them are empty where it is none."""

    scheme: str = ""
    netloc: str = ""
    path: str = ""
    query: str = ""


class ClusterNodes(NamedTuple):
    """Some nodes of a Redis Cluster, whether they are asked over TLS, and redis-py's options of the URL."""

    addresses: list[Address]
    encrypted: bool
    options: dict[str, Any]


def split(url: str) -> UrlParts:
    """Split a URL that may have several hosts, IPv6 addresses among them: urllib refuses those."""
    match = _URL.fullmatch(url)
    return UrlParts(*match.groups(default="")) if match else UrlParts()


def cluster_nodes(url: str) -> ClusterNodes:
    """The nodes in the URL of a Redis Cluster.

    Raises:
        ValueError: a host or a port is wrong, or there is a database.
    """
    if split(url).path.strip("/0"):
        raise ValueError("a Redis Cluster has no databases: leave the path out")
    addresses, options = hosts(url, PORT)
    encrypted = is_encrypted(options)
    options.pop("connection_class", None)
    return ClusterNodes(addresses, encrypted, options)


def hosts(url: str, port: int) -> tuple[list[Address], dict[str, Any]]:
    """The addresses in a URL, with `port` where it has none, and redis-py's options of the rest.

    Raises:
        ValueError: a host is missing, or a port is none.
    """
    parts = split(url)
    credentials, at, names = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]
    found, options = list[Address](), dict[str, Any]()
    for name in names.split(","):
        options = dict(parse_url(f"{scheme}://{credentials}{at}{name}/?{parts.query}"))
        options.pop("db", None)
        if "host" not in options:
            raise ValueError("a host is missing")
        found.append((options.pop("host"), options.pop("port", port)))
    return found, options
