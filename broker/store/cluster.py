"""Finds the node of a Redis Cluster that is the master of a hash slot.

All of our keys lie in one hash slot, so to us the cluster is one Redis whose address changes: each connection
asks for the master when it connects, and again when its node answers that it is not the master any more.
The reasons why this is not redis-py's RedisCluster are in docs/decisions/0001-redis-cluster.md.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ClusterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as NotConnected

ASK_S: Final = 0.3  # a node that hangs leaves time to ask others within the deadline of a call
RETRY_S: Final = 0.05  # what the nodes need to hear of a new master
RETRIES: Final = 3

Address: TypeAlias = tuple[str, int]


class SlotMoved(NotConnected):
    """The node has not done what it was asked: the slot is not its own, or the cluster is down."""


def retry_moved() -> Retry:
    """Ask again only where nothing can have been done."""
    return Retry(ConstantBackoff(RETRY_S), RETRIES, (SlotMoved,))


class SlotConnection(Connection):
    """A connection of redis-py that finds its address by `find`, an awaitable function, when it connects."""

    def __init__(self, *, find: Callable[[], Awaitable[Address]], **options: Any) -> None:
        super().__init__(**options)
        self._find = find

    async def connect_check_health(self, *arguments: Any, **options: Any) -> None:
        """Connect to the master of now, unless there is a connection."""
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


class SlotMaster:
    """Finds the master of a slot, by asking one node after the other, each time another one first."""

    def __init__(
        self, nodes: Sequence[Address], slot: int, kind: type[Connection], options: dict[str, Any]
    ) -> None:
        """`kind` and `options` make a connection to a node; `nodes` are those to begin with."""
        self._first, self._nodes = nodes, deque(nodes)
        self._slot, self._kind, self._options = slot, kind, options

    async def find(self) -> Address:
        """The master's host and port.

        Raises:
            NotConnected: no node knows it.
        """
        self._nodes.rotate(-1)
        why = "no node has the slot of our keys"
        for node in list(self._nodes):
            try:
                async with asyncio.timeout(ASK_S):
                    ranges = await self._ask(node)
            except (RedisError, OSError, TimeoutError) as error:
                why = f"{node[0]}:{node[1]}: {error or 'no answer'}"
                continue
            self._learn(ranges, node)
            if (master := master_of(self._slot, ranges, node)) is not None:
                return master
        raise NotConnected(why)

    async def _ask(self, node: Address) -> Any:
        host, port = node
        connection: Any = self._kind(**self._options, host=host, port=port)
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)

    def _learn(self, ranges: Any, asked: Address) -> None:
        """The nodes of now, and those of the setting, whose names may lead to others by now."""
        found = [address for _, _, *nodes in ranges for address in addresses(nodes, asked)]
        if set(self._nodes) != {*found, *self._first}:
            self._nodes = deque(dict.fromkeys([*found, *self._first]))


def master_of(slot: int, ranges: Any, asked: Address) -> Address | None:
    """The master of a slot in the answer of the node `asked` to CLUSTER SLOTS, if it has one."""
    for first, last, *nodes in ranges:
        if first <= slot <= last:
            return next(addresses(nodes, asked), None)
    return None


def addresses(nodes: Any, asked: Address) -> Iterator[Address]:
    """Of nodes in such an answer; one that does not know its own host is the one that was asked."""
    for host, port, *_ in nodes:
        yield host if host and host != "?" else asked[0], int(port)
