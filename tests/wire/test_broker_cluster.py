"""Tests a Redis Cluster whose master of our keys changes, dies or hangs: slots and sessions go on."""

import asyncio
import signal
from pathlib import Path

import pytest

from broker.errors import RegistryUnavailable
from broker.records import SlotRequest, WorkerRecord
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store import scripts
from dalston_realtime.protocol.models import ModelInfo
from gateway.capacity.announcements import WorkerLost, listen
from tests.support.broker_ends import BrokerEnds, on_redis
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import client, gateway_process, run, until
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import RedisCluster, free_ports
from tests.support.redis_fixture import configured_redis

RECORD = WorkerRecord("w1", "ws://x", 2, (ModelInfo("fast", "tiny", "fake", ("en",), {}),))


async def promoted(cluster: RedisCluster) -> None:
    """Wait until the replica is the master."""
    await until(lambda: asyncio.to_thread(cluster.replica.says, "INFO replication", "role:master"))


async def served(it: BrokerEnds) -> bool:
    """Whether both ends are served; each of them has to notice by itself."""
    try:
        await it.registry.heartbeat(RECORD)
        await it.router.workers()
    except RegistryUnavailable:
        return False
    return True


def test_a_master_that_is_another_now_costs_no_call(own_cluster: RedisCluster) -> None:
    async def main(it: BrokerEnds) -> None:
        lost, told, connected = WorkerLost(), asyncio.Event(), asyncio.Event()
        lost.subscribe("w1", told.set)
        listening = asyncio.create_task(listen(own_cluster.url, it.router, lost, lambda _: connected.set()))
        async with asyncio.timeout(DEADLINE_S):
            await connected.wait()
        await it.registry.heartbeat(RECORD)
        assert (await it.allocate("s1", SlotRequest())).worker_id == "w1"
        own_cluster.fail_over()
        await promoted(own_cluster)
        assert (await it.allocate("s1", SlotRequest())).worker_id == "w1"
        assert set(await it.router.sessions()) == {"s1"}
        assert await it.registry.offline("w1")
        async with asyncio.timeout(DEADLINE_S):
            await told.wait()
        listening.cancel()
        await asyncio.wait([listening])

    on_redis(main, own_cluster)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_master_that_is_lost_is_replaced(own_cluster: RedisCluster, how: signal.Signals) -> None:
    async def main(it: BrokerEnds) -> None:
        lost, told = WorkerLost(), asyncio.Event()
        lost.subscribe("w1", told.set)
        listening = asyncio.create_task(listen(own_cluster.url, it.router, lost, lambda _: None))
        await it.registry.heartbeat(RECORD)
        await it.allocate("s1", SlotRequest())
        await until(lambda: copied(own_cluster))
        own_cluster.master.send(how)
        await promoted(own_cluster)
        await until(lambda: served(it))
        assert set(await it.router.sessions()) == {"s1"}

        async def announced() -> bool:
            await it.registry.offline("w1")
            await it.registry.heartbeat(RECORD)
            return told.is_set()

        await until(announced)  # the listener notices by itself that its node is gone
        listening.cancel()
        await asyncio.wait([listening])

    try:
        on_redis(main, own_cluster, scripts.DEADLINE_S)
    finally:
        own_cluster.master.send(signal.SIGCONT)


async def copied(cluster: RedisCluster) -> bool:
    """Whether the replica has what was written."""
    return cluster.replica.ask("DBSIZE") == cluster.master.ask("DBSIZE")


def test_running_sessions_do_not_notice_and_new_ones_are_served_again(own_cluster: RedisCluster) -> None:
    async def main() -> None:
        with gateway_process(own_cluster.url, heartbeat_timeout="5") as gateway:
            async with fake_worker(own_cluster.url, capacity=2), client(gateway) as me:
                await me.event("session.begin")
                await until(lambda: copied(own_cluster))
                own_cluster.master.send(signal.SIGKILL)
                await me.send(bytes(100))
                assert (await me.event("transcript.partial"))["text"] == "100"
                await promoted(own_cluster)

                async def slots_are_exact() -> bool:
                    with own_cluster.replica.client() as look:
                        return bool(
                            look.scard(own_cluster.keys.active) == 1
                            and look.hget(own_cluster.keys.worker("worker-1"), "active_sessions") == "1"
                        )

                async def serves_again() -> bool:
                    return (await asyncio.to_thread(gateway.get, "/readyz")).status_code == 200

                await until(slots_are_exact)
                await until(serves_again)
                async with client(gateway) as other, client(gateway) as third:
                    firsts = sorted([(await c.event())["type"] for c in (other, third)])
                    assert firsts == ["error", "session.begin"]
                await me.send(bytes(100))
                assert (await me.event("transcript.partial"))["text"] == "200"

    run(main())


def test_a_cluster_under_the_url_of_a_single_redis_says_so(shared_cluster: RedisCluster) -> None:
    async def main() -> None:
        for node in shared_cluster.nodes:
            router = SessionRouter.connect(BrokerSettings(redis_url=f"redis://127.0.0.1:{node.port}"))
            with pytest.raises(RegistryUnavailable, match="it is a Redis Cluster"):
                await router.sweep()
            await router.close()

    run(main())


def test_a_single_redis_under_the_url_of_a_cluster_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        (port,) = free_ports(1)
        with configured_redis(tmp_path, "redis", f'port {port}\nbind 127.0.0.1\nsave ""\n'):
            router = SessionRouter.connect(BrokerSettings(redis_url=f"redis+cluster://127.0.0.1:{port}"))
            with pytest.raises(RegistryUnavailable, match="it is no Redis Cluster"):
                await router.workers()
            await router.close()

    run(main())
