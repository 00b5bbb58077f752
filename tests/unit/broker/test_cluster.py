"""Where the nodes of a Redis Cluster say that a slot is, and what a URL of one says."""

import asyncio
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as NotConnected

from broker.store.cluster import SlotConnection, SlotMaster, SlotTlsConnection, addresses, master_of
from broker.store.connection import connect, keys_of
from broker.store.keys import CLUSTERED, PLAIN

ASKED = ("asked", 7000)
RANGES = [
    [0, 99, ["a", 1, "id"], ["ra", 2, "id"]],
    [100, 199, [None, 3, "id"]],
    [200, 16_383, ["?", 4, "id"], ["", 5, "id", []]],
]


@pytest.mark.parametrize(
    ("slot", "master"), [(0, ("a", 1)), (99, ("a", 1)), (100, ("asked", 3)), (300, ("asked", 4))]
)
def test_the_master_of_a_slot_is_the_first_of_its_range(slot: int, master: tuple[str, int]) -> None:
    assert master_of(slot, RANGES, ASKED) == master


@pytest.mark.parametrize("ranges", [[], [[0, 5, ["a", 1, "id"]]], [[7, 7]]])
def test_a_slot_that_nobody_has(ranges: list[Any]) -> None:
    assert master_of(7, ranges, ASKED) is None


def test_a_node_that_does_not_know_its_host_is_the_one_that_was_asked() -> None:
    assert list(addresses(RANGES[2][2:], ASKED)) == [("asked", 4), ("asked", 5)]


class Nodes:
    """Stands for connections to the nodes; `down` do not answer."""

    def __init__(self, *down: str) -> None:
        self.down, self.asked = set(down), list[str]()

    def __call__(self, host: str, port: int) -> "Nodes":
        """A connection to a node."""
        self.asked.append(host)
        return self

    async def connect(self) -> None:
        """Fail if it is down."""
        if self.asked[-1] in self.down:
            raise NotConnected("down")

    async def send_command(self, *_: str) -> None:
        """Nothing."""

    async def read_response(self) -> Any:
        """Its view."""
        return [[0, 16_383, ["m", 1, "id"], ["r", 2, "id"]]]

    async def disconnect(self, nowait: bool) -> None:
        """Nothing."""


def find(nodes: Any, times: int) -> list[str]:
    """The hosts that are asked to find the master so many times."""
    master = SlotMaster([("a", 1), ("b", 1)], 5, nodes, {})

    async def main() -> None:
        for _ in range(times):
            assert await master.find() == ("m", 1)

    asyncio.run(main())
    asked: list[str] = nodes.asked
    return asked


def test_another_node_is_asked_first_each_time_and_those_of_the_cluster_are_learnt() -> None:
    assert find(Nodes(), 5) == ["b", "r", "a", "b", "m"]


def test_nodes_that_are_down_are_passed_over() -> None:
    assert find(Nodes("b", "r"), 2) == ["b", "a", "r", "a"]


def test_where_no_node_answers_the_last_one_is_named() -> None:
    with pytest.raises(NotConnected, match="a:1: down"):
        find(Nodes("a", "b"), 1)


def test_what_the_url_of_a_cluster_says() -> None:
    client = connect("redis+cluster://me:p%40ss@a:7000,b,[::1]:7001/0", 3, 0.5)
    pool = client.connection_pool
    assert pool.connection_class is SlotConnection
    assert pool.max_connections == 3
    known = pool.connection_kwargs
    assert (known["username"], known["password"]) == ("me", "p@ss")
    assert known["find"].__self__._first == [("a", 7000), ("b", 6379), ("::1", 7001)]
    assert known["find"].__self__._kind is Connection


def test_an_encrypted_cluster_is_asked_and_used_over_tls() -> None:
    pool = connect("rediss+cluster://a,b?ssl_cert_reqs=none&ssl_check_hostname=false", 1, 1.0).connection_pool
    assert pool.connection_class is SlotTlsConnection
    assert pool.connection_kwargs["ssl_cert_reqs"] == "none"
    assert pool.connection_kwargs["find"].__self__._options["ssl_check_hostname"] is False


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("redis://a", PLAIN),
        ("unix:///a", PLAIN),
        ("redis+sentinel://a/b", PLAIN),
        ("redis+cluster://a", CLUSTERED),
        ("rediss+cluster://a", CLUSTERED),
    ],
)
def test_only_a_cluster_has_keys_with_a_hash_tag(url: str, keys: object) -> None:
    assert keys_of(url) is keys
