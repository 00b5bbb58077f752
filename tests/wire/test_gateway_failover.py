"""A worker that is lost in the middle of a session: another one goes on, and the client hears of it once."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from tests.support.fake_worker import WorkerVisit, fake_worker, read_message
from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, run
from tests.support.gateway_sessions import SECOND, finals, lose, recorder
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer


@pytest.mark.parametrize("code", [None, 1001, 1011, 1012])
def test_another_worker_goes_on_behind_the_last_final(
    gateway: GatewayProcess, shared_redis: RedisServer, code: int | None
) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, recorder, worker_id="a") as a,
            fake_worker(shared_redis.url, recorder, worker_id="b") as b,
            client(gateway, "min_silence_ms=500") as me,
        ):
            await me.send(SECOND * 2 + bytes(8_000))
            assert await finals(me, 2) == ["w1", "w2"]
            first, second = (a, b) if a.visits else (b, a)
            lose(first, code)
            warning = await me.event()
            assert (warning["type"], warning["code"]) == ("warning", "worker_lost")
            await me.send({"type": "config", "min_silence_ms": 900})
            await me.send(bytes(24_000))
            assert await finals(me, 1) == ["w3"]
            (visit,) = second.visits
            assert visit.request.resume is not None
            assert visit.request.resume.clock == 32_000
            assert visit.request.resume.utterance == 3
            assert 0 < visit.request.resume.age < 30
            assert visit.request.config.min_silence_ms == 500
            await me.send({"type": "end"})
            ended = (await me.rest())[-1]
            assert ended["transcript"] == "w1 w2 w3"
            assert [s["utterance"] for s in ended["segments"]] == [1, 2, 3]
            assert ended["audio_duration"] == 3.0
            audio = b"".join(f for f in visit.received if isinstance(f, bytes))
            assert len(audio) == 32_000
            assert [json.loads(f)["type"] for f in visit.received if isinstance(f, str)] == ["config", "end"]
            assert me.closed == (1000, "normal")

    run(main())


def test_an_answered_flush_is_not_asked_for_again_and_an_open_one_is(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def answers_a(visit: WorkerVisit) -> None:
        await visit.begin()
        async for frame in visit.connection:
            visit.received.append(frame)
            if isinstance(frame, str) and read_message(frame).get("id") == "a":
                await visit.event("transcript.final", utterance=1, text="", flush_id="a")

    async def main() -> None:
        async with fake_worker(shared_redis.url, answers_a) as worker, client(gateway) as me:
            await me.send({"type": "flush", "id": "a"})
            assert (await me.event("transcript.final"))["flush_id"] == "a"
            await me.send({"type": "flush", "id": "b"})
            while len(worker.visits[0].received) < 2:
                await asyncio.sleep(0.01)
            lose(worker, None)
            await me.event("warning")
            while len(worker.visits) < 2 or not worker.visits[1].received:
                await asyncio.sleep(0.01)
            assert [json.loads(f)["id"] for f in worker.visits[1].received if isinstance(f, str)] == ["b"]

    run(main())


def test_a_worker_that_hangs_is_given_up_while_it_still_beats(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def hangs(visit: WorkerVisit) -> None:
        await visit.begin()
        async for frame in visit.connection:
            visit.received.append(frame)  # and says nothing

    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, hangs, worker_id="a") as a,
            client(gateway) as me,
        ):
            await me.event("session.begin")
            async with fake_worker(shared_redis.url, recorder, worker_id="b"):
                speaking = asyncio.create_task(speak(me))
                assert (await me.event("warning"))["code"] == "worker_lost"
                assert await finals(me, 2) == ["w1", "w2"]
                speaking.cancel()
                assert len(a.visits) == 1

    async def speak(me: Client) -> None:
        while True:
            await me.send(bytes(3_200))
            await asyncio.sleep(0.05)

    run(main())


def test_without_another_worker_the_session_ends_as_a_fault_of_ours(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder) as worker, client(gateway) as me:
            await me.event("session.begin")
            worker.server.close()
            lose(worker, None)
            events = await me.rest()
            assert [e["type"] for e in events] == ["warning", "error"]
            assert events[-1]["code"] == "internal"
            assert me.closed == (1011, "internal")

    run(main())


LOADING_S = 12.0  # Seconds that the only worker is away: more than one that can be reached gets.


async def told(gateway: GatewayProcess, overflow: str) -> Client:
    """A client that has said two seconds, and has read what was heard of them."""
    url = gateway.url(f"overflow={overflow}")
    me = Client(await connect(url, proxy=None, compression=None))
    await me.send(SECOND * 2)
    assert await finals(me, 2) == ["w1", "w2"]
    return me


def test_the_only_worker_comes_back_with_its_model_and_no_word_is_lost(shared_redis: RedisServer) -> None:
    async def main(gateway: GatewayProcess) -> None:
        async with fake_worker(shared_redis.url, recorder):
            clients = [await told(gateway, overflow) for overflow in ("reject", "queue")]
        for me in clients:
            assert (await me.event())["code"] == "worker_lost"
        for _ in range(round(LOADING_S)):
            async with asyncio.timeout(DEADLINE_S):  # The clients are read all the time.
                for me in clients:
                    await me.send(SECOND)
            await asyncio.sleep(1)
        async with fake_worker(shared_redis.url, recorder) as back:
            for me in clients:
                assert await finals(me, 12) == [f"w{number}" for number in range(3, 15)]
            assert len(back.visits) == len(clients)
            for me in clients:
                await me.send({"type": "end"})
                assert (await me.rest())[-1]["audio_duration"] == 14.0
                await me.connection.close()

    with gateway_process(shared_redis.url, resume_window="30") as gateway:
        run(main(gateway))


def test_a_planned_move_is_not_called_a_loss(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def goes(visit: WorkerVisit) -> None:
        await visit.begin()
        await visit.connection.recv()
        await visit.event("error", code="restarting", message="the worker is going away", recoverable=False)
        await visit.connection.close(1012)

    async def main() -> None:
        async with fake_worker(shared_redis.url, goes, worker_id="a"), client(gateway) as me:
            await me.event("session.begin")
            async with fake_worker(shared_redis.url, recorder, worker_id="b"):
                await me.send(SECOND)
                assert (await me.event("warning"))["code"] == "worker_changed"
                assert await finals(me, 1) == ["w1"]

    run(main())


def test_a_worker_that_accepts_a_session_and_says_nothing_is_given_up(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def silent(visit: WorkerVisit) -> None:
        await visit.connection.wait_closed()

    async def main() -> None:
        async with fake_worker(shared_redis.url, silent, worker_id="a") as a, client(gateway) as me:
            while not a.visits:
                await asyncio.sleep(0.01)
            async with fake_worker(shared_redis.url, recorder, worker_id="b"):
                await me.event("session.begin")

    run(main())
