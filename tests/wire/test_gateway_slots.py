"""Slots through real gateways: exact under a crowd, waited for, degraded, drained, and limited."""

import asyncio
import signal
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis import Redis
from websockets.exceptions import InvalidStatus

from broker.store.keys import PLAIN
from dalston_realtime.protocol.models import ModelInfo
from tests.support.client_commands import rt
from tests.support.fake_server import FakeServer
from tests.support.fake_worker import MODEL, fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, run, until
from tests.support.redis_fixture import RedisServer

BOTH = (MODEL, ModelInfo("accurate", "large-en", "fake", ("en",), {"word_timestamps": True}))


async def first_event(stack: AsyncExitStack, gateway: GatewayProcess, query: str = "") -> tuple[Client, str]:
    """A client that stays, and the first event that it gets."""
    me = await stack.enter_async_context(client(gateway, query))
    return me, (await me.event())["type"]


def test_two_hundred_connects_get_exactly_the_places_there_are(own_redis: RedisServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            gateways = [stack.enter_context(gateway_process(own_redis.url)) for _ in range(3)]
            workers = [
                await stack.enter_async_context(
                    fake_worker(own_redis.url, worker_id=f"w{number}", capacity=7)
                )
                for number in range(10)
            ]
            asked = (first_event(stack, gateways[number % 3]) for number in range(200))
            clients = await asyncio.gather(*asked)
            assert Counter(kind for _, kind in clients) == {"session.begin": 70, "error": 130}
            assert [len(worker.visits) for worker in workers] == [7] * 10
            with own_redis.client() as look:
                assert _counts(look) == (70, 70, 70, [7] * 10, ["7"] * 10)
                assert len(look.keys(PLAIN.session("*"))) == 70  # Who is refused leaves no record.
                await asyncio.gather(*(me.connection.close() for me, _ in clients))

                async def free() -> bool:
                    return _counts(look) == (0, 0, 0, [0] * 10, ["0"] * 10)

                await until(free)

    run(main())


def _counts(look: "Redis") -> tuple[int, int, int, list[int], list[Any]]:
    """Sessions, leases, beginnings, and for each worker its sessions and what its record says of them."""
    names = [f"w{number}" for number in range(10)]
    return (
        int(look.scard(PLAIN.active)),
        int(look.zcard(PLAIN.leases)),
        int(look.zcard(PLAIN.started)),
        [int(look.scard(PLAIN.worker_sessions(name))) for name in names],
        [look.hget(PLAIN.worker(name), "active_sessions") for name in names],
    )


def test_who_waits_is_served_in_order_across_gateways(shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = (stack.enter_context(gateway_process(shared_redis.url)) for _ in range(2))
            await stack.enter_async_context(fake_worker(shared_redis.url, capacity=1))
            holder, kind = await first_event(stack, one)
            assert kind == "session.begin"
            waiting = []
            for number in range(3):
                me = await stack.enter_async_context(client((one, two)[number % 2], "overflow=queue"))
                event = await me.event()
                assert (event["type"], event["position"]) == ("session.queued", number + 1)
                await me.send(bytes(3200 * (number + 1)))
                waiting.append(me)
            first, second, third = waiting
            second.connection.transport.abort()
            assert (await third.event())["position"] == 2
            await holder.send({"type": "end"})
            await holder.rest()
            assert (await first.event())["type"] == "session.begin"
            assert (await first.event("transcript.partial"))["text"] == "3200"
            assert (await third.event())["position"] == 1
            await first.send({"type": "end"})
            assert (await third.event())["type"] == "session.begin"
            assert (await third.event("transcript.partial"))["text"] == "9600"

    run(main())


def test_who_hears_of_the_end_can_begin_again_at_once(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(fake_worker(shared_redis.url, capacity=1))
            for _ in range(20):
                me, kind = await first_event(stack, gateway)
                assert kind == "session.begin"
                await me.send({"type": "end"})
                await me.event("session.end")

    run(main())


def test_newcomers_do_not_overtake_who_waits(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(fake_worker(shared_redis.url, models=BOTH[1:], capacity=1))
            waits = await stack.enter_async_context(client(gateway, "overflow=queue"))
            assert (await waits.event())["type"] == "session.queued"
            await stack.enter_async_context(fake_worker(shared_redis.url, worker_id="w2", capacity=1))
            assert (await waits.event())["type"] == "session.begin"
            _, kind = await first_event(stack, gateway, "overflow=reject")
            assert kind == "error"

    run(main())


def test_who_waits_too_long_is_refused(shared_redis: RedisServer) -> None:
    async def main() -> None:
        settings = {"overflow": "queue", "queue_timeout": "0.5", "queue_length": "1"}
        with gateway_process(shared_redis.url, **settings) as gateway:
            async with client(gateway) as me, client(gateway, "overflow=reject") as other:
                assert (await me.event())["type"] == "session.queued"
                assert (await other.event())["code"] == "no_capacity"
                async with client(gateway) as third:
                    assert (await third.event())["code"] == "no_capacity"  # the queue is full
                (error,) = await me.rest()
                assert error["code"] == "no_capacity"
                assert error["retry_after"] > 0
                assert me.closed == (4503, "no_capacity")
                with shared_redis.client() as look:
                    await until(lambda: _is_empty(look))

    run(main())


async def _is_empty(look: "Redis") -> bool:
    return look.zcard(PLAIN.queue) == 0


def test_a_killed_gateway_gives_its_positions_up(shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = (stack.enter_context(gateway_process(shared_redis.url)) for _ in range(2))
            await first_event(stack, one, "overflow=queue")
            behind, _ = await first_event(stack, two, "overflow=queue")
            one.process.send(signal.SIGKILL)
            assert (await behind.event())["position"] == 1

    run(main())


def test_degraded_sessions_get_a_smaller_model_and_then_less_of_it(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            large = fake_worker(shared_redis.url, worker_id="large", models=BOTH[1:], capacity=1)
            small = fake_worker(shared_redis.url, worker_id="small", capacity=1, degraded_capacity=2)
            served = [await stack.enter_async_context(worker) for worker in (large, small)]
            query = "model=accurate&overflow=degrade"
            begins = [
                await (await stack.enter_async_context(client(gateway, query))).event() for _ in range(4)
            ]
            assert [b["type"] for b in begins] == ["session.begin"] * 3 + ["error"]
            assert [b.get("degraded", False) for b in begins] == [False, True, True, False]
            assert [len(worker.visits) for worker in served] == [1, 2]
            assert served[1].visits[0].request.config.model == "tiny-en"
            assert [v.request.degraded for w in served for v in w.visits] == [False, True, True]
            _, kind = await first_event(stack, gateway, "overflow=reject")
            assert kind == "error"

    run(main())


def test_a_worker_with_the_wanted_feature_comes_first(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    able = ModelInfo("fast", "able", "fake", ("en",), {"word_timestamps": True})

    async def main() -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(fake_worker(shared_redis.url, worker_id="plain", capacity=8))
            worker = await stack.enter_async_context(
                fake_worker(shared_redis.url, worker_id="able", models=(able,), capacity=1)
            )
            for query in ("word_timestamps=true", "word_timestamps=true", ""):
                assert (await first_event(stack, gateway, query))[1] == "session.begin"
            assert [visit.request.config.word_timestamps for visit in worker.visits] == [True]

    run(main())


def test_a_drained_worker_gets_nothing_new_until_that_is_taken_back(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    server = FakeServer(f"ws://{gateway.host}:{gateway.port}")

    async def main() -> None:
        async with fake_worker(shared_redis.url, worker_id="a/b"), client(gateway) as me:
            await me.event("session.begin")
            assert (await asyncio.to_thread(rt, server, "drain", "a/b", "--seconds", 60)).exit_code == 0
            async with client(gateway) as other:
                assert (await other.event())["code"] == "no_capacity"
            await me.send(bytes(100))
            assert (await me.event())["text"] == "100"
            assert (await asyncio.to_thread(rt, server, "drain", "a/b", "--undo")).exit_code == 0
            async with client(gateway) as other:
                assert (await other.event())["type"] == "session.begin"

    run(main())
    unknown = gateway.call("POST", "/v1/realtime/workers/nobody/drain")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_worker")
    bad = gateway.call("POST", "/v1/realtime/workers/nobody/drain?seconds=-1")
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "seconds")


def test_a_full_gateway_refuses_before_the_upgrade(shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url), AsyncExitStack() as stack:
            gateway = stack.enter_context(gateway_process(shared_redis.url, max_connections="1"))
            async with client(gateway) as me:
                await me.event("session.begin")
                with pytest.raises(InvalidStatus) as refused:
                    await stack.enter_async_context(client(gateway))
                assert refused.value.response.status_code == 503
                assert int(refused.value.response.headers["Retry-After"]) > 0
            await until(lambda: _is_admitted(gateway))

    run(main())


async def _is_admitted(gateway: GatewayProcess) -> bool:
    try:
        async with client(gateway):
            return True
    except InvalidStatus:
        return False


def test_readyz_says_when_to_come_back_where_no_worker_is_there(gateway: GatewayProcess) -> None:
    async def refused() -> bool:
        return gateway.get("/readyz").status_code == 503

    run(until(refused))  # views are up to a second old
    answer = gateway.get("/readyz")
    assert int(answer.headers["Retry-After"]) == answer.json()["error"]["retry_after"] == 5


def test_a_strategy_that_is_not_allowed_is_refused(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url, overflow_allowed="reject") as gateway:
            with pytest.raises(InvalidStatus) as refused:
                async with client(gateway, "overflow=queue"):
                    pass
            assert b"overflow" in (refused.value.response.body or b"")

    run(main())


@pytest.mark.parametrize("name", ["worker-1:sessions", "worker-1%3Asessions", "a%20b", "%00", "x" * 201])
def test_an_id_that_is_a_part_of_another_key_is_no_worker(
    gateway: GatewayProcess, shared_redis: RedisServer, name: str
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url), client(gateway) as me:
            await me.event("session.begin")
            path = f"/v1/realtime/workers/{name}/drain"
            answer = await asyncio.to_thread(gateway.call, "POST", path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_worker")

    run(main())


def test_an_error_of_redis_is_told_without_its_text(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        with shared_redis.client() as look:
            look.set(PLAIN.workers, "no set")
        answer = await asyncio.to_thread(gateway.call, "POST", "/v1/realtime/workers/w/drain")
        assert answer.status_code == 404
        answer = await asyncio.to_thread(gateway.get, "/v1/realtime/workers")
        while answer.status_code == 200:  # What the gateway knows is up to a second old.
            await asyncio.sleep(0.1)
            answer = await asyncio.to_thread(gateway.get, "/v1/realtime/workers")
        async with client(gateway) as me:
            told = await me.event()
        for text in (answer.json()["error"]["message"], told["message"]):
            assert "Redis: it refuses" in text
            assert not {"WRONGTYPE", "script", "user_script"} & set(text.split())

    run(main())
    assert "WRONGTYPE" in gateway.process.line("Redis is away")
