"""Makes a client of redis-py, and the names of our keys, from the setting `DALSTON_REDIS_URL`."""

import re
from functools import partial
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from broker.store import redis_py
from broker.store.cluster import SlotMaster
from broker.store.keys import CLUSTERED, PLAIN, Keys
from broker.store.url import CLUSTER, SENTINEL, SENTINEL_PORT, SINGLE, cluster_nodes, hosts, split
from runtime.errors import StartupError


def keys_of(url: str) -> Keys:
    """The names of our keys in the Redis at `url`."""
    return CLUSTERED if split(url).scheme in CLUSTER else PLAIN


def connect(url: str, connections: int, deadline: float) -> Any:
    """A client with up to `connections` connections; `deadline` is the wait for a free one in seconds.

    `redis+sentinel://host:port,host:port/service/db` asks Sentinels for the master, and
    `redis+cluster://host:port,host:port` or `rediss+cluster://...` any nodes of a Redis Cluster.

    Raises:
        StartupError: `url` is none that can be used.
    """
    limits = {"max_connections": connections, "timeout": deadline}
    try:
        scheme = split(url).scheme
        if scheme in SINGLE:
            client = Redis.from_pool(BlockingConnectionPool.from_url(url, **limits, **_options()))
        elif scheme == SENTINEL:
            client = _sentinel_client(url)
        elif scheme in CLUSTER:
            client = Redis.from_pool(_cluster_pool(url, limits))
        else:
            raise ValueError(f"it does not begin with one of {', '.join((*SINGLE, SENTINEL, *CLUSTER))}")
        redis_py.check_options(client)
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


def _sentinel_client(url: str) -> Any:
    service, _, database = split(url).path.strip("/").partition("/")
    if not service:
        raise ValueError(f"a URL of Sentinels is {SENTINEL}://host:port,host:port/service/db")
    sentinels, options = hosts(url, SENTINEL_PORT)
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        sentinels, sentinel_kwargs=_options()
    )
    return sentinel.master_for(
        service, redis_class=redis_py.SentinelClient, db=int(database or 0), **(options | _options())
    )


def _cluster_pool(url: str, limits: dict[str, Any]) -> BlockingConnectionPool:
    nodes = cluster_nodes(url)
    options = nodes.options | _options()
    ask = partial(_cluster_slots, options=options, encrypted=nodes.encrypted)
    master = SlotMaster(
        nodes.addresses, redis_py.key_slot(CLUSTERED.workers.encode()), ask, limits["timeout"]
    )
    return BlockingConnectionPool(
        connection_class=redis_py.SlotTlsConnection if nodes.encrypted else redis_py.SlotConnection,
        find=master.find,
        **limits,
        **(options | {"retry": redis_py.retry_moved()}),
    )


async def _cluster_slots(node: redis_py.Address, options: dict[str, Any], *, encrypted: bool) -> Any:
    return await redis_py.query_node(node, options, "CLUSTER", "SLOTS", encrypted=encrypted)
