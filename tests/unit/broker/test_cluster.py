"""Tests where the nodes of a Redis Cluster say that a hash slot is, and how a URL of one is read."""

import asyncio
from typing import Any

import pytest

from broker.store.cluster import SlotMaster, addresses, master_of
from broker.store.connection import connect, keys_of
from broker.store.keys import CLUSTERED, PLAIN
from broker.store.redis_py import Address, NotConnected, SlotConnection, SlotTlsConnection
from broker.store.url import cluster_nodes
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

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


class FakeNodes:
    """Answers for the nodes of a cluster; those that are `down` do not."""

    def __init__(self, *down: str) -> None:
        self.down, self.asked = set(down), list[str]()

    async def ask(self, address: Address) -> Any:
        """A node's answer to CLUSTER SLOTS."""
        host, _ = address
        self.asked.append(host)
        if host in self.down:
            raise NotConnected("down")
        return [[0, 16_383, ["m", 1, "id"], ["r", 2, "id"]]]


def find(nodes: FakeNodes, times: int) -> list[str]:
    """The hosts that are asked to find the master so many times."""
    master = SlotMaster([("a", 1), ("b", 1)], 5, nodes.ask)

    async def main() -> None:
        for _ in range(times):
            assert await master.find() == ("m", 1)

    asyncio.run(main())
    return nodes.asked


def test_another_node_is_asked_first_each_time_and_those_of_the_cluster_are_learnt() -> None:
    assert find(FakeNodes(), 5) == ["b", "r", "a", "b", "m"]


def test_nodes_that_are_down_are_passed_over() -> None:
    assert find(FakeNodes("b", "r"), 2) == ["b", "a", "r", "a"]


def test_where_no_node_answers_the_last_one_is_named() -> None:
    with pytest.raises(NotConnected, match="a:1: down"):
        find(FakeNodes("a", "b"), 1)


@pytest.mark.parametrize(("deadline", "asked"), [(1.0, ["b", "a"]), (10.0, ["b"])])
def test_a_node_has_its_share_of_the_deadline_of_a_call(deadline: float, asked: list[str]) -> None:
    nodes = FakeNodes()

    async def ask(address: Address) -> Any:
        answer = await nodes.ask(address)
        await pass_time(2.0 if address[0] == "b" else 0.0)
        return answer

    async def main(_clock: VirtualClock) -> None:
        master = SlotMaster([("a", 1), ("b", 1)], 5, ask, deadline)
        assert await master.find() == ("m", 1)

    run_virtually(main)
    assert nodes.asked == asked


def test_what_the_url_of_a_cluster_says() -> None:
    url = "redis+cluster://me:p%40ss@a:7000,b,[::1]:7001/0"
    nodes = cluster_nodes(url)
    assert nodes.addresses == [("a", 7000), ("b", 6379), ("::1", 7001)]
    assert not nodes.encrypted
    pool = connect(url, 3, 0.5).connection_pool
    assert pool.connection_class is SlotConnection
    assert pool.max_connections == 3
    options = pool.connection_kwargs
    assert (options["username"], options["password"]) == ("me", "p@ss")


def test_an_encrypted_cluster_is_asked_and_used_over_tls() -> None:
    url = "rediss+cluster://a,b?ssl_cert_reqs=none&ssl_check_hostname=false"
    nodes = cluster_nodes(url)
    assert nodes.encrypted
    assert nodes.options["ssl_check_hostname"] is False
    pool = connect(url, 1, 1.0).connection_pool
    assert pool.connection_class is SlotTlsConnection
    assert pool.connection_kwargs["ssl_cert_reqs"] == "none"


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
