"""Clients that come back: to the same gateway, to another one, to one that takes over from a dead one."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from broker.checkpoint_record import HEADER
from broker.checkpoints import Checkpoints
from broker.store.scripts import Scripts
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.checkpoint_store import CheckpointStore, Owner
from gateway.sessions.state import SessionState
from runtime.worker_link import MAX_OVERLAP_S, ClientPresence, encode
from tests.support.fake_worker import FakeWorker, WorkerVisit, fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, run, until
from tests.support.gateway_sessions import SECOND, begun, finals, kept_gateway, lose, lost, recorder, resumed
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer


def test_events_that_were_missed_come_again_and_the_session_goes_on(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder) as worker, client(gateway) as first:
                await begun(first)
                await first.send(SECOND * 2)
                assert await finals(first, 1) == ["w1"]
                token = await lost(first)
                await until(lambda: _said(gateway, 0))
                me = await resumed(gateway, token, ["w2"], 2.0)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w3"]
                await me.send({"type": "end"})
                assert (await me.rest())[-1]["type"] == "session.end"
                assert len(worker.visits) == 1

    run(main())


async def _said(gateway: GatewayProcess, connections: int) -> bool:
    return await asyncio.to_thread(gateway.metric, "dalston_gateway_connections") == connections


def test_the_worker_hears_that_its_client_is_away_and_back_and_only_from_the_gateway(
    shared_redis: RedisServer,
) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder) as worker, client(gateway) as first:
                await begun(first)
                await first.send({"type": "presence", "present": False})
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                visit = worker.visits[0]
                assert visit.received == ["{}", SECOND]
                token = await lost(first)
                await until(lambda: _is_last(visit, present=False))
                me = await resumed(gateway, token, [], 1.0)
                await until(lambda: _is_last(visit, present=True))
                await lost(me)
                await until(lambda: _is_last(visit, present=False))
                lose(worker, None)
                await until(lambda: _visits(worker, 2))
                await until(lambda: _is_last(worker.visits[1], present=False))

    run(main())


async def _is_last(visit: WorkerVisit, *, present: bool) -> bool:
    return visit.received[-1:] == [encode(ClientPresence(present=present))]


async def _visits(worker: FakeWorker, count: int) -> bool:
    return len(worker.visits) == count


def test_a_second_connection_takes_over_from_one_that_is_still_open(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder), client(gateway) as first:
                await begun(first)
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                me = await resumed(gateway, first.resume_point, [], 1.0)
                (farewell,) = await first.rest()
                assert (farewell["code"], first.closed[0]) == ("invalid_request", 4400)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w2"]
                await me.connection.close()

    run(main())


def test_the_end_of_a_session_can_be_fetched_after_it(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder), client(gateway) as first:
                await begun(first)
                await first.send(SECOND)
                await first.send({"type": "end"})
                token = first.resume_point
                assert (await first.rest())[-1]["type"] == "session.end"
                me = await _again(gateway, token)
                kinds = [e["type"] for e in await me.rest()]
                assert kinds == ["transcript.final", "session.end", "session.resumed"]
                assert me.closed == (1000, "normal")

    run(main())


async def _again(gateway: GatewayProcess, token: str) -> Client:
    connection = await connect(gateway.url(f"resume={token}"), proxy=None, compression=None)
    return Client(connection, int(token.split(":")[1]))


async def _leave_for_another_page(me: Client) -> None:
    await me.connection.close(1001)


async def _close_without_a_code(me: Client) -> None:
    protocol, transport = me.connection.protocol, me.connection.transport
    protocol.send_close()
    transport.write(b"".join(protocol.data_to_send()))
    await me.connection.wait_closed()


@pytest.mark.parametrize("leave", [_leave_for_another_page, _close_without_a_code])
def test_a_client_that_closes_without_saying_that_it_is_done_may_come_back(
    shared_redis: RedisServer, leave: Callable[[Client], Awaitable[None]]
) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as one, kept_gateway(shared_redis) as two:
            async with fake_worker(shared_redis.url, recorder) as worker, client(one) as first:
                await begun(first)
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                await leave(first)
                me = await resumed(one, first.resume_point, [], 1.0)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w2"]
                await leave(me)
                passed_on = await resumed(two, me.resume_point, [], 2.0)
                await passed_on.send(SECOND)
                assert await finals(passed_on, 1) == ["w3"]
                await leave(passed_on)
                last = await resumed(two, passed_on.resume_point, [], 3.0)
                await last.send({"type": "end"})
                assert (await last.rest())[-1]["type"] == "session.end"
                assert len(worker.visits) == 1

    run(main())


def test_a_client_whose_frames_are_passed_on_can_say_goodbye(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as one, kept_gateway(shared_redis) as two:
            async with fake_worker(shared_redis.url, recorder), client(one) as first:
                await begun(first)
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                me = await resumed(two, await lost(first), [], 1.0)
                await me.connection.close(1000)
                with shared_redis.client() as look:

                    async def free() -> bool:
                        return not look.scard("dalston:realtime:sessions:active")

                    await until(free)

    run(main())


def test_a_client_that_says_goodbye_is_not_waited_for(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder):
                async with client(gateway) as first:
                    await begun(first)
                    token = first.resume_point
                with shared_redis.client() as look:

                    async def free() -> bool:
                        return not look.scard("dalston:realtime:sessions:active")

                    await until(free)
                assert await _status(gateway, token) == (404, "unknown_session")

    run(main())


async def _status(gateway: GatewayProcess, token: str) -> tuple[int, str]:
    try:
        async with connect(gateway.url(f"resume={token}"), proxy=None):
            return 101, ""
    except InvalidStatus as refused:
        body = httpx.Response(200, content=bytes(refused.response.body or b"")).json()
        return refused.response.status_code, body["error"]["code"]


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("nonsense", 400, "invalid_parameter"),
        ("f" * 32 + ":1", 400, "invalid_parameter"),
        ("f" * 64, 400, "invalid_parameter"),
        ("f" * 64 + ":-1", 400, "invalid_parameter"),
        ("f" * 64 + ":1", 404, "unknown_session"),
    ],
)
def test_what_can_not_be_resumed_is_refused_before_the_upgrade(
    gateway: GatewayProcess, token: str, status: int, code: str
) -> None:
    assert run(_status(gateway, token)) == (status, code)


def test_a_client_that_comes_too_late_is_told_so(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url, resume_window="0.3") as gateway:
            async with fake_worker(shared_redis.url, recorder), client(gateway) as first:
                await begun(first)
                token = await lost(first)
                with shared_redis.client() as look:

                    async def free() -> bool:
                        return not look.scard("dalston:realtime:sessions:active")

                    await until(free)

                async def unknown() -> bool:
                    return await _status(gateway, token) == (404, "unknown_session")

                await until(unknown)

    run(main())


async def _nothing(_gateway: GatewayProcess) -> None:
    """The first gateway lives: the second one passes frames on to it."""


async def _killed(gateway: GatewayProcess) -> None:
    gateway.process.kill()


async def _ended(gateway: GatewayProcess) -> None:
    gateway.process.send(signal.SIGTERM)
    assert await asyncio.to_thread(gateway.process.wait) == 0


@pytest.mark.parametrize("happens", [_nothing, _killed, _ended])
def test_another_gateway_goes_on_with_the_session(
    any_redis: AnyRedis, happens: Callable[[GatewayProcess], Awaitable[None]]
) -> None:
    async def main() -> None:
        with kept_gateway(any_redis) as one, kept_gateway(any_redis) as two:
            async with fake_worker(any_redis.url, recorder) as worker, client(one) as first:
                await begun(first)
                await first.send(SECOND * 2 + bytes(8_000))
                assert await finals(first, 2) == ["w1", "w2"]
                await _saved(any_redis, first, 2.25)
                if happens is not _ended:
                    token = await lost(first)
                await happens(one)
                if happens is _ended:
                    await first.rest()
                    token = await lost(first)
                me = await resumed(two, token, [], 2.25)
                await me.send(bytes(24_000))
                assert await finals(me, 1) == ["w3"]
                await me.send({"type": "end"})
                ended = (await me.rest())[-1]
                assert me.closed == (1000, "normal")
                assert len(worker.visits) == (1 if happens is _nothing else 2)
                if happens is not _nothing:
                    assert ended["transcript"] == "w1 w2 w3"
                    assert worker.visits[1].request.resume is not None
                    assert worker.visits[1].request.resume.clock == 32_000

    run(main())


def test_a_client_may_come_back_while_its_worker_drains(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(shared_redis) as gateway:
            async with fake_worker(shared_redis.url, recorder, worker_id="a") as a, client(gateway) as first:
                await begun(first)
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                token = await lost(first)
                answer = await asyncio.to_thread(gateway.call, "POST", "/v1/realtime/workers/a/drain")
                assert answer.json() == {"worker_id": "a", "draining": True}
                me = await resumed(gateway, token, [], 1.0)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w2"]
                async with fake_worker(shared_redis.url, recorder, worker_id="b") as b:
                    token = await lost(me)
                    lose(a, 1012)
                    while not b.visits:
                        await asyncio.sleep(0.01)
                    connection = await connect(gateway.url(f"resume={token}"), proxy=None, compression=None)
                    again = Client(connection, int(token.split(":")[1]))
                    await again.event("session.resumed")
                    await again.send(SECOND)
                    assert await finals(again, 1) == ["w3"]
                    await again.send({"type": "end"})
                    assert (await again.rest())[-1]["transcript"] == "w1 w2 w3"

    run(main())


async def _saved(redis: AnyRedis, me: Client, seconds: float) -> None:
    """Wait until so much of the audio is in Redis, from what may overlap the last final on."""
    with redis.client() as look:

        async def there() -> bool:
            key = redis.keys.checkpoint(me.session_id)
            names = [name for name in look.hkeys(key) if name[0] == "a"]
            return bool(
                sum(look.hstrlen(key, name) for name in names)
                == round((seconds % 1 + MAX_OVERLAP_S) * 32_000)
            )

        await until(there)


def test_what_was_said_while_redis_was_away_is_kept_when_it_is_back(own_redis: RedisServer) -> None:
    async def main() -> None:
        with kept_gateway(own_redis) as one, kept_gateway(own_redis) as two:
            async with fake_worker(own_redis.url, recorder), client(one) as first:
                await begun(first)
                own_redis.stop()
                await first.send(SECOND)
                assert await finals(first, 1) == ["w1"]
                own_redis.start()
                await first.send(SECOND + bytes(8_000))
                assert await finals(first, 1) == ["w2"]
                await _saved(own_redis, first, 2.25)
                token = await lost(first)
                one.process.kill()
                me = await resumed(two, token, [], 2.25)
                await me.send(bytes(24_000))
                await me.send({"type": "end"})
                assert (await me.rest())[-1]["transcript"] == "w1 w2 w3"

    run(main())


async def _done(tasks: list[asyncio.Task[Any]], count: int) -> bool:
    return sum(task.done() for task in tasks) == count


def test_of_many_that_come_back_at_once_one_goes_on_and_each_is_sent_no_gap(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def come_back(token: str) -> tuple[Client, list[str]]:
        async with connect(gateway.url(f"resume={token}"), proxy=None, compression=None) as connection:
            me = Client(connection, int(token.split(":")[1]))
            return me, [event["type"] for event in await me.rest()]  # checks the numbers

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway) as first:
            await begun(first)
            await first.send(SECOND)
            await finals(first, 1)
            backs = [asyncio.create_task(come_back(f"{first.token}:1")) for _ in range(6)]
            assert [event["type"] for event in await first.rest()] == ["error"]
            await until(lambda: _done(backs, 5))
            last = [task for task in backs if not task.done()]
            assert len(last) == 1
            for back in backs:
                if back.done():
                    me, kinds = back.result()
                    assert kinds[-1] == "error"
                    assert me.closed[0] == 4400
            last[0].cancel()
            await asyncio.wait(last)

    run(main())


def test_thousands_of_fields_of_any_bytes_are_kept_as_they_are(any_redis: AnyRedis) -> None:
    fields = {f"a{number}": bytes([number % 256]) * (number % 300) for number in range(5_000)}

    async def main() -> None:
        scripts = Scripts(any_redis.url, DEADLINE_S)
        store = CheckpointStore(Checkpoints(scripts, any_redis.url, 60), Owner.new())
        state = SessionState.new("f" * 32, SessionConfig())
        store.watch(state, lambda: None)
        for name, data in fields.items():
            state.changes.set(name, data)
        await store.save([state.id])
        for number in range(0, 5_000, 2):
            state.changes.delete(f"a{number}")
        await store.save([state.id])
        found = await store.load(state.id)
        assert found is not None
        loaded, owner = found
        assert owner == str(store.owner)
        assert loaded.pop(HEADER) == state.changes.fields[HEADER]
        assert loaded == {name: data for name, data in fields.items() if int(name[1:]) % 2}
        await store.close()
        await scripts.close()

    run(main())
