"""Reaches past redis-py's documented interface; no other module does.

Checked against redis-py 8.1.0; tests/unit/broker/test_redis_py_contract.py tests what is used:

- `Connection.connect_check_health` is called before each use, and connects to `host` and `port`.
- `Connection.read_response` raises the errors that a server answers with.
- `SentinelConnectionPool.sentinel_manager.sentinels` are the Sentinels' clients, which nobody else closes.
- `execute_command(NEVER_DECODE=True)` leaves an answer as bytes where the client decodes.
- `parse_url` reads a URL as `ConnectionPool.from_url` does, and `key_slot` computes the hash slot of a key.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.client import NEVER_DECODE
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, MovedError
from redis.exceptions import ConnectionError as NotConnected

__all__ = [
    "Address",
    "NotConnected",
    "SentinelClient",
    "SlotConnection",
    "SlotMoved",
    "SlotTlsConnection",
    "check_options",
    "is_encrypted",
    "key_slot",
    "parse_url",
    "query_node",
    "read_bytes",
    "retry_moved",
]

RETRY_S: Final = 0.05  # Seconds that the nodes of a cluster need to learn of a new master.
RETRIES: Final = 3  # More would exceed the deadline of a call: each of them asks for the master again.

Address: TypeAlias = tuple[str, int]


class SlotMoved(NotConnected):
    """The node has not done what it was asked: the hash slot is not its own, or the cluster is down."""


def retry_moved() -> Retry:
    """Retry only what can't have been done."""
    return Retry(ConstantBackoff(RETRY_S), RETRIES, (SlotMoved,))


class SlotConnection(Connection):
    """A connection that finds its address by `find`, an awaitable function, each time when it connects."""

    def __init__(self, *, find: Callable[[], Awaitable[Address]], **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect to the present master, unless there is a connection."""
        if not self.is_connected:
            self.host, self.port = await self._find()
        await super().connect_check_health(*arguments, **options)

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """The answer to a command.

        Raises:
            SlotMoved: another node is the one to ask; the connection is closed.
        """
        try:
            return await super().read_response(*arguments, **options)
        except (MovedError, ClusterDownError) as error:
            await self.disconnect(nowait=True)
            raise SlotMoved(str(error)) from None


class SlotTlsConnection(SlotConnection, SSLConnection):
    """The same, encrypted."""


class SentinelClient(Redis):
    """A client that closes its connections to the Sentinels too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections."""
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def is_encrypted(options: dict[str, Any]) -> bool:
    """Whether `parse_url` made these options of a URL with TLS."""
    return options.get("connection_class") is SSLConnection


def check_options(client: Any) -> None:
    """Make a connection that is never used: redis-py accepts an unknown option until it makes the first one.

    Raises:
        TypeError: there is no such option.
    """
    pool = client.connection_pool
    pool.connection_class(**pool.connection_kwargs)


async def query_node(address: Address, options: dict[str, Any], *command: str, encrypted: bool) -> Any:
    """Send a node one command over a connection of its own; its answer."""
    host, port = address
    kind = SSLConnection if encrypted else Connection
    connection: Any = kind(**options, host=host, port=port)
    try:
        await connection.connect()
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)


async def read_bytes(client: Any, *command: str) -> Any:
    """The answer to a command as bytes, though the client decodes all others."""
    return await client.execute_command(*command, **{NEVER_DECODE: True})
