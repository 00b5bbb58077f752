"""The setting `DALSTON_REDIS_URL` in, a client of redis-py out."""

from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from stages.errors import StartupError

SENTINEL: Final = "redis+sentinel"
SENTINEL_PORT: Final = 26379
CLUSTER: Final = ("redis+cluster", "rediss+cluster")


class _BySentinel(Redis):
    """A client that closes its connections to the Sentinels too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections."""
        await super().aclose(close_connection_pool)
        manager: Any = self.connection_pool
        for sentinel in manager.sentinel_manager.sentinels:
            await sentinel.aclose()


def connect(url: str, connections: int, deadline: float) -> Any:
    """A client with up to `connections` connections; `deadline` is the wait for a free one in seconds.

    `redis+sentinel://host:port,host:port/service/db` asks Sentinels for the master.

    Raises:
        StartupError: `url` is none that can be used.
    """
    try:
        if url.startswith(CLUSTER):
            raise ValueError("a Redis Cluster can't be used: one script changes keys of several slots")
        if url.startswith(SENTINEL + "://"):
            return _by_sentinel(url)
        pool: Any = BlockingConnectionPool.from_url(
            url, max_connections=connections, timeout=deadline, **_options()
        )
    except ValueError as error:
        raise StartupError(f"DALSTON_REDIS_URL={url!r}: {error}") from None
    return Redis.from_pool(pool)


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
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError(f"a URL of Sentinels is {SENTINEL}://host:port,host:port/service/db")
    user, _, password = credentials.partition(":")
    sentinels = [_host(host) for host in hosts.split(",")]
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        sentinels, sentinel_kwargs=_options()
    )
    return sentinel.master_for(
        service,
        redis_class=_BySentinel,
        db=int(database or 0),
        username=user or None,
        password=password or None,
        **_options(),
    )


def _host(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, SENTINEL_PORT)
