"""Finds the node of a Redis Cluster that is the master of a hash slot.

All of our keys lie in one hash slot, so to us the cluster is one Redis whose address changes: each connection
asks for the master when it connects, and again when its node answers that it is not the master any more.
The reasons why this is not redis-py's RedisCluster are in docs/decisions/0001-redis-cluster.md.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from broker.store.redis_py import Address, NotConnected

ASK_SHARE: Final = 0.3  # Of the deadline of a call, for one node: others can still be asked within it.


class SlotMaster:
    """Finds the master of a hash slot by asking one node after the other, each time another one first."""

    def __init__(
        self,
        nodes: Sequence[Address],
        slot: int,
        ask: Callable[[Address], Awaitable[Any]],
        deadline: float = 1.0,
    ) -> None:
        """`ask` returns a node's answer to CLUSTER SLOTS; `nodes` are asked at first.

        `deadline` is that of the call for which the master is looked for, in seconds.
        """
        self._first, self._nodes = nodes, deque(nodes)
        self._slot, self._ask = slot, ask
        self._ask_s = ASK_SHARE * deadline

    async def find(self) -> Address:
        """The master's host and port.

        Raises:
            NotConnected: no node knows it.
        """
        self._nodes.rotate(-1)
        why = "no node has the slot of our keys"
        for node in list(self._nodes):
            try:
                async with asyncio.timeout(self._ask_s):
                    ranges = await self._ask(node)
            except (RedisError, OSError, TimeoutError) as error:
                why = f"{node[0]}:{node[1]}: {error or 'no answer'}"
                continue
            self._update_nodes(ranges, node)
            if (master := master_of(self._slot, ranges, node)) is not None:
                return master
        raise NotConnected(why)

    def _update_nodes(self, ranges: Any, asked: Address) -> None:
        """Keep the present nodes, and those of the setting, whose names may lead to others by now."""
        found = [address for _, _, *nodes in ranges for address in addresses(nodes, asked)]
        if set(self._nodes) != {*found, *self._first}:
            self._nodes = deque(dict.fromkeys([*found, *self._first]))


def master_of(slot: int, ranges: Any, asked: Address) -> Address | None:
    """The master of a hash slot in the answer of the node `asked` to CLUSTER SLOTS, if it has one."""
    for first, last, *nodes in ranges:
        if first <= slot <= last:
            return next(addresses(nodes, asked), None)
    return None


def addresses(nodes: Any, asked: Address) -> Iterator[Address]:
    """The addresses of nodes in such an answer; a node without a host is the one that was asked."""
    for host, port, *_ in nodes:
        yield host if host and host != "?" else asked[0], int(port)
