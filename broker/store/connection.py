"""Makes a client of redis-py, and the names of our keys, from the setting `DALSTON_REDIS_URL`."""

import re
from typing import Any, Final, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from broker.store.cluster import Address, SlotConnection, SlotMaster, SlotTlsConnection, retry_moved
from broker.store.keys import CLUSTERED, PLAIN, Keys
from runtime.errors import StartupError

ALONE: Final = ("redis", "rediss", "unix")
SENTINEL: Final = "redis+sentinel"
CLUSTER: Final = ("redis+cluster", "rediss+cluster")
PORT: Final = 6379
SENTINEL_PORT: Final = 26379


class _BySentinel(Redis):
    """A client that closes its connections to the Sentinels too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections."""
        await super().aclose(close_connection_pool)
        manager: Any = self.connection_pool
        for sentinel in manager.sentinel_manager.sentinels:
            await sentinel.aclose()


_URL: Final = re.compile(r"([a-z+]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?")


def keys_of(url: str) -> Keys:
    """The names of our keys in the Redis at `url`."""
    return CLUSTERED if _split(url).scheme in CLUSTER else PLAIN


def connect(url: str, connections: int, deadline: float) -> Any:
    """A client with up to `connections` connections; `deadline` is the wait for a free one in seconds.

    `redis+sentinel://host:port,host:port/service/db` asks Sentinels for the master, and
    `redis+cluster://host:port,host:port` or `rediss+cluster://...` any nodes of a Redis Cluster.

    Raises:
        StartupError: `url` is none that can be used.
    """
    limits = {"max_connections": connections, "timeout": deadline}
    try:
        scheme = _split(url).scheme
        if scheme in ALONE:
            client = Redis.from_pool(BlockingConnectionPool.from_url(url, **limits, **_options()))
        elif scheme == SENTINEL:
            client = _by_sentinel(url)
        elif scheme in CLUSTER:
            client = Redis.from_pool(_cluster_pool(url, limits))
        else:
            raise ValueError(f"it does not begin with one of {', '.join((*ALONE, SENTINEL, *CLUSTER))}")
        pool: Any = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # an option in the URL that there is not
    except (ValueError, TypeError, RedisError) as error:
        shown = re.sub("//.*@", "//***@", url)
        raise StartupError(f"DALSTON_REDIS_URL={shown!r}: {error}") from None
    return client


def _options() -> dict[str, Any]:
    return {
        # The callers have their own deadlines: redis-py's one for sending uses asyncio.wait_for, which on
        # Python 3.11 swallows a cancellation that comes as the call ends.
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": True,
        "protocol": 2,
    }


def _by_sentinel(url: str) -> Any:
    service, _, database = _split(url).path.strip("/").partition("/")
    if not service:
        raise ValueError(f"a URL of Sentinels is {SENTINEL}://host:port,host:port/service/db")
    sentinels, options = _hosts(url, SENTINEL_PORT)
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        sentinels, sentinel_kwargs=_options()
    )
    return sentinel.master_for(
        service, redis_class=_BySentinel, db=int(database or 0), **(options | _options())
    )


def _cluster_pool(url: str, limits: dict[str, Any]) -> BlockingConnectionPool:
    if _split(url).path.strip("/0"):
        raise ValueError("a Redis Cluster has no databases: leave the path out")
    nodes, options = _hosts(url, PORT)
    encrypted = options.pop("connection_class", None) is SSLConnection
    options |= _options()
    kind = SSLConnection if encrypted else Connection
    slot = key_slot(CLUSTERED.workers.encode())
    master = SlotMaster(nodes, slot, kind, options)
    return BlockingConnectionPool(
        connection_class=SlotTlsConnection if encrypted else SlotConnection,
        find=master.find,
        **limits,
        **(options | {"retry": retry_moved()}),
    )


class _Parts(NamedTuple):
    scheme: str = ""
    netloc: str = ""
    path: str = ""
    query: str = ""


def _split(url: str) -> _Parts:
    """The parts of a URL that may have several hosts, IPv6 ones among them: urllib refuses those."""
    match = _URL.fullmatch(url)
    return _Parts(*match.groups(default="")) if match else _Parts()


def _hosts(url: str, port: int) -> tuple[list[Address], dict[str, Any]]:
    """The hosts of a URL that has several, and what else redis-py reads from it."""
    parts = _split(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]
    found, options = list[Address](), dict[str, Any]()
    for host in hosts.split(","):
        options = dict(parse_url(f"{scheme}://{credentials}{at}{host}/?{parts.query}"))
        options.pop("db", None)
        if "host" not in options:
            raise ValueError("a host is missing")
        found.append((options.pop("host"), options.pop("port", port)))
    return found, options
