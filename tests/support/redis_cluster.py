"""Runs a real Redis Cluster: three masters, and a replica of the one that has our keys."""

import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis
from redis.crc import key_slot

from broker.store.keys import CLUSTERED
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer, start_redis

NODE_TIMEOUT_MS = 1_500  # after which the others hold a node for dead
PATIENT_MS = 60_000  # the same, where no node is taken away: one may be slow on a busy machine
RANGES = ((0, 5460), (5461, 10922), (10923, 16383))
SLOT = key_slot(CLUSTERED.workers.encode())
OWNER = next(number for number, (first, last) in enumerate(RANGES) if first <= SLOT <= last)
REPLICA = len(RANGES)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, nor on those of the cluster's bus, 10,000 above."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 22_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Node:
    """One server of the cluster."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        folder.mkdir(exist_ok=True)
        options = {
            "port": str(port),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "save": "",
            "cluster-enabled": "yes",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "cluster-replica-validity-factor": "0",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = start_redis(*arguments)

    def client(self) -> "redis.Redis":
        """A plain client."""
        return redis.Redis(port=self.port, decode_responses=True)

    def ask(self, *command: str | int) -> str:
        """Its answer to a command."""
        with self.client() as client:
            return str(client.execute_command(*command))

    def says(self, command: str, *expected: str) -> bool:
        """Whether all of these are in its answer."""
        with self.client() as client:
            answer = client.connection_pool.get_connection()
            answer.send_command(*command.split())
            text = answer.read_response()
            client.connection_pool.release(answer)
        return all(part in text for part in expected)

    def send(self, number: int) -> None:
        """A signal."""
        self._process.send(number)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        self._process.kill()


class RedisCluster:
    """All of its nodes; `master` is the one that had our keys at first."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.keys, self.nodes = CLUSTERED, nodes
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    @property
    def master(self) -> Node:
        """Has our keys, until it is killed."""
        return self.nodes[OWNER]

    @property
    def replica(self) -> Node:
        """Has a copy of them."""
        return self.nodes[REPLICA]

    def form(self) -> None:
        """Make a cluster of the nodes, and wait until all of them know."""
        first = self.nodes[0]
        for number, (node, (low, high)) in enumerate(zip(self.nodes, RANGES, strict=False)):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.ask("CLUSTER", "ADDSLOTS", *range(low, high + 1))
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", first.port)
        until(lambda: all(node.says("CLUSTER INFO", *_WHOLE) for node in self.nodes))
        self.replica.ask("CLUSTER", "REPLICATE", self.master.ask("CLUSTER", "MYID"))
        until(lambda: self.replica.says("INFO replication", "role:slave", "master_link_status:up"))
        until(lambda: all(node.says("CLUSTER NODES", "slave") for node in self.nodes))

    def be_patient(self) -> None:
        """Let no node be held for dead that is only slow."""
        for node in self.nodes:
            node.ask("CONFIG", "SET", "cluster-node-timeout", PATIENT_MS)

    def fail_over(self) -> None:
        """Have the replica take the master's part, while that lives."""
        self.replica.ask("CLUSTER", "FAILOVER")

    def client(self) -> "redis.Redis":
        """A plain client of the node that has our keys, to look at what is stored."""
        return self.master.client()


_WHOLE = ("cluster_state:ok", f"cluster_known_nodes:{REPLICA + 1}", "cluster_size:3")


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again until `condition` holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "the cluster does not form"
        time.sleep(0.02)


@contextmanager
def redis_cluster() -> Iterator[RedisCluster]:
    """A cluster for the duration of a block."""
    with TemporaryDirectory(prefix="dalston-cluster-") as folder, ExitStack() as stack:
        nodes = []
        for port in free_ports(REPLICA + 1):
            nodes.append(Node(Path(folder, str(port)), port))
            stack.callback(nodes[-1].stop)
        cluster = RedisCluster(nodes)
        cluster.form()
        yield cluster


@pytest.fixture
def own_cluster() -> Iterator[RedisCluster]:
    """A cluster of the test's own, to take apart."""
    with redis_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _shared_cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as cluster:
        cluster.be_patient()
        yield cluster


@pytest.fixture
def shared_cluster(_shared_cluster: RedisCluster) -> RedisCluster:
    """The cluster that all tests share, emptied."""
    with _shared_cluster.client() as client:
        client.flushall()
    return _shared_cluster


AnyRedis = RedisServer | RedisCluster


@pytest.fixture(params=["alone", "cluster"])
def any_redis(request: pytest.FixtureRequest) -> AnyRedis:
    """A Redis that all tests share, emptied: a server by itself, and a cluster."""
    shared: AnyRedis = request.getfixturevalue(
        "shared_redis" if request.param == "alone" else "shared_cluster"
    )
    return shared
