"""Sessions through a real gateway to a worker that only pretends to transcribe."""

import asyncio
import contextlib

import pytest
from websockets.exceptions import ConnectionClosed

from dalston_realtime.protocol.models import ModelInfo
from tests.support.fake_worker import WorkerVisit, echo, fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, run, until
from tests.support.redis_fixture import RedisServer

SECOND = bytes(32_000)


async def places_taken(redis: RedisServer, expected: int) -> None:
    """Wait until so many sessions hold a slot, in all that Redis says."""
    with redis.client() as look:

        async def agree() -> bool:
            counts = {
                look.scard("dalston:realtime:worker:worker-1:sessions"),
                look.scard("dalston:realtime:sessions:active"),
                int(str(look.hget("dalston:realtime:worker:worker-1", "active_sessions"))),
            }
            return counts == {expected}

        await until(agree, 2.0)


def test_a_session_from_begin_to_end(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> dict[str, str]:
        async with fake_worker(shared_redis.url), client(gateway, "language=en") as me:
            await me.send(SECOND)
            begin = await me.event("session.begin")
            assert await me.event() == {
                "type": "transcript.partial",
                "utterance": 0,
                "text": "32000",
                "seq": 2,
            }
            await places_taken(shared_redis, 1)
            await me.send({"type": "flush", "id": "f"})
            assert (await me.event())["flush_id"] == "f"
            await me.send({"type": "end"})
            assert (await me.event())["type"] == "session.end"
            assert await me.rest() == []
            assert me.closed == (1000, "normal")
            await places_taken(shared_redis, 0)
            with shared_redis.client() as look:
                key = f"dalston:realtime:session:{begin['session_id']}"
                assert 0 < look.ttl(key) <= 3600
                return dict(look.hgetall(key))

    record = run(main())
    assert record["status"] == "ended"
    assert record["worker_id"] == "worker-1"
    assert record["model"] == "fast"
    assert record["language"] == "en"
    assert record["audio_duration"] == "1.000"


def test_the_worker_gets_the_clients_parameters_and_frames_as_they_are(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        query = "vocabulary=%5B%22Gr%C3%BC%C3%9Fe+you%22%5D&sample_rate=8000&session_id=mine"
        async with fake_worker(shared_redis.url) as worker, client(gateway, query) as me:
            await me.event("session.begin")
            await me.send(b"\x01\x02\x03")  # a sample and a half: the other half may come later
            await me.connection.send("not JSON")
            await me.event()
            visit = worker.visits[0]
            assert visit.path == "/v1/session"
            assert visit.session_id != "mine"
            assert visit.request.link_id == ""
            assert visit.request.config.vocabulary == ("Grüße you",)
            assert visit.request.config.sample_rate == 8_000
            await me.send({"type": "end"})
            await me.rest()
            assert visit.received[:2] == [b"\x01\x02", "not JSON"]

    run(main())


def test_audio_sent_before_the_worker_is_there_is_not_lost(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url) as worker, client(gateway) as me:
            for number in range(50):
                await me.send(bytes([number]) * 100)
            await me.send({"type": "end"})
            events = await me.rest()
            assert events[-1]["type"] == "session.end"
            assert worker.visits[0].received[:50] == [bytes([n]) * 100 for n in range(50)]

    run(main())


def test_results_say_what_gateway_and_routing_cost(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def timed(visit: WorkerVisit) -> None:
        async for _ in visit.connection:
            await visit.event("transcript.final", utterance=0, text="", timing={"asr": 1.5})

    async def main() -> None:
        async with fake_worker(shared_redis.url, timed), client(gateway, "timing=true") as me:

            async def has_routing() -> bool:
                await me.send(b"\0\0")
                timing = (await me.event("transcript.final"))["timing"]
                assert timing["asr"] == 1.5
                assert 0 <= timing["gateway"] < 1000
                return "routing" in timing and 0 < timing["routing"] < 1000

            await until(has_routing)

    run(main())


def test_without_a_worker_the_client_is_told_to_come_back(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with client(gateway) as me:
            (error,) = await me.rest()
            assert error["code"] == "no_capacity"
            assert error["recoverable"] is False
            assert error["retry_after"] == 5.0
            assert me.closed == (4503, "no_capacity")

    run(main())


def test_a_place_is_refused_while_all_are_taken_and_given_when_one_is_free(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, capacity=1):
            async with client(gateway) as first:
                await first.event("session.begin")
                async with client(gateway) as second:
                    (error,) = await second.rest()
                    assert error["message"] == "all slots are taken"
                    assert second.closed[0] == 4503
            await places_taken(shared_redis, 0)
            async with client(gateway) as third:
                await third.event("session.begin")

    run(main())


def test_many_connects_take_exactly_the_places_there_are(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, capacity=7):
            release, refused = asyncio.Event(), asyncio.Semaphore(0)

            async def visit() -> None:
                async with client(gateway) as me:
                    if (await me.event())["type"] == "session.begin":
                        await release.wait()
                        return
                    await me.rest()
                    assert me.closed[0] == 4503
                    refused.release()

            async with asyncio.TaskGroup() as visits:  # What goes wrong in one of them ends the test with it.
                for _ in range(100):
                    visits.create_task(visit())
                for _ in range(93):
                    await refused.acquire()
                await places_taken(shared_redis, 7)
                release.set()
            await places_taken(shared_redis, 0)

    run(main())


def test_a_worker_that_cannot_be_reached_is_passed_over(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, worker_id="worker-2", capacity=1) as good,
            fake_worker(shared_redis.url, capacity=9) as dead,
        ):
            dead.server.close()
            await dead.server.wait_closed()
            async with client(gateway) as me:
                await me.event("session.begin")
                assert len(good.visits) == 1
                async with client(gateway) as refused:
                    (error,) = await refused.rest()
                    assert error["code"] == "no_capacity"
            await places_taken(shared_redis, 0)

    run(main())


def test_a_client_that_vanishes_frees_its_place(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url) as worker, client(gateway) as me:
            await me.send(SECOND)
            await me.event("session.begin")
            await places_taken(shared_redis, 1)
            me.connection.transport.abort()
            await places_taken(shared_redis, 0)
            await worker.visits[0].connection.wait_closed()
            assert worker.visits[0].connection.close_code == 1001

    run(main())


def test_a_client_that_vanishes_while_the_worker_takes_no_audio_frees_its_place(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def deaf(visit: WorkerVisit) -> None:
        await visit.begin()
        while True:
            await visit.event("transcript.partial", utterance=0, text="")
            await asyncio.sleep(0.05)

    async def main() -> None:
        async with fake_worker(shared_redis.url, deaf), client(gateway) as me:
            await me.event("session.begin")
            await fill(me)
            me.connection.transport.abort()
            await places_taken(shared_redis, 0)

    run(main())


async def fill(me: Client) -> int:
    """Send audio until no more is taken; how many bytes that were."""
    sent = 0
    try:
        while True:
            async with asyncio.timeout(0.5):
                await me.send(SECOND)
            sent += len(SECOND)
    except TimeoutError:
        return sent


def test_audio_is_read_no_faster_than_the_worker_takes_it(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def slow(visit: WorkerVisit) -> None:
            await go_on.wait()
            await echo(visit)

        async with fake_worker(shared_redis.url, slow) as worker, client(gateway) as me:
            sent = await fill(me)
            assert sent < 16 << 20  # the socket buffers of both connections
            go_on.set()
            await me.send({"type": "end"})
            await me.rest()
            received = sum(len(f) for f in worker.visits[0].received if isinstance(f, bytes))
            # The frame whose sending was given up has gone out with the next one.
            assert received == sent + len(SECOND)
            assert me.closed[0] == 1000

    run(main())


def test_a_client_that_reads_nothing_loses_partials_only(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    text = "x" * 20_000

    async def talkative(visit: WorkerVisit) -> None:
        await visit.begin()
        for utterance in range(20):
            for _ in range(40):
                await visit.event("transcript.partial", utterance=utterance, text=text)
            await visit.event("transcript.final", utterance=utterance, text=str(utterance))
        await visit.event("session.end", audio_duration=0)
        finished.set()

    async def main() -> None:
        dropped = gateway.metric("dalston_gateway_dropped_partials_total")
        async with fake_worker(shared_redis.url, talkative), client(gateway) as me:
            me.connection.transport.pause_reading()
            await finished.wait()
            async with client(gateway) as other:
                await other.event("session.end")
            me.connection.transport.resume_reading()
            events = await me.rest()
            finals = [e["utterance"] for e in events if e["type"] == "transcript.final"]
            assert finals == list(range(20))
            assert_partials_before_finals(events)
            assert me.closed[0] == 1000
            assert gateway.metric("dalston_gateway_dropped_partials_total") > dropped

    finished = asyncio.Event()
    run(main())


def assert_partials_before_finals(events: list[dict[str, object]]) -> None:
    """No partial comes after the final of its utterance."""
    final = -1
    for event in events:
        if event["type"] == "transcript.final":
            final = int(str(event["utterance"]))
        if event["type"] == "transcript.partial":
            assert int(str(event["utterance"])) > final


def test_a_client_that_lets_finals_pile_up_is_cut_off(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def flood(visit: WorkerVisit) -> None:
        await visit.begin()
        while True:
            await visit.event("transcript.final", utterance=0, text="x" * 50_000)

    async def main() -> None:
        async with fake_worker(shared_redis.url, flood), client(gateway) as me:
            me.connection.transport.pause_reading()
            await places_taken(shared_redis, 1)
            await places_taken_later(shared_redis, 0)
            me.connection.transport.resume_reading()
            events = await me.rest()
            assert events[-1]["message"] == "the client does not read its results"
            assert me.closed == (4400, "invalid_request")

    run(main())


async def places_taken_later(redis: RedisServer, expected: int) -> None:
    """As `places_taken`, for what takes longer than two seconds."""
    with redis.client() as look:

        async def agree() -> bool:
            return bool(look.scard("dalston:realtime:sessions:active") == expected)

        await until(agree)


@pytest.mark.parametrize("frame", [bytes((1 << 20) + 1), "x" * ((1 << 20) + 1)])
def test_a_frame_that_is_too_large_ends_the_session(
    gateway: GatewayProcess, shared_redis: RedisServer, frame: bytes | str
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url) as worker, client(gateway) as me:
            await me.send(bytes(1 << 20))
            await me.event("transcript.partial")
            await me.connection.send(frame)
            error = (await me.rest())[-1]
            assert error["code"] == "invalid_request"
            assert me.closed == (4400, "invalid_request")
            assert all(len(frame) <= 32_000 for frame in worker.visits[0].received)
            await places_taken(shared_redis, 0)

    run(main())


def test_a_frame_that_is_absurdly_large_is_not_even_read(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url), client(gateway) as me:
            await me.event("session.begin")
            with contextlib.suppress(ConnectionClosed):
                await me.connection.send(bytes(32 << 20))
            events = await me.rest()
            assert me.connection.close_code in (1006, 4400)  # the rest of the frame has no reader for long
            assert me.connection.close_code == 1006 or events[-1]["code"] == "invalid_request"
            await places_taken(shared_redis, 0)

    run(main())


def test_text_that_is_not_utf_8_ends_the_session_with_an_error_first(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url), client(gateway) as me:
            await me.event("session.begin")
            await me.connection.send(b"\xff", text=True)
            assert (await me.rest())[-1]["code"] == "invalid_request"
            assert me.closed[0] == 1007
            await places_taken(shared_redis, 0)

    run(main())


def test_audio_that_kills_every_worker_costs_three_and_is_an_internal_error(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def dies(visit: WorkerVisit) -> None:
        await visit.begin()
        async for _ in visit.connection:
            visit.connection.transport.abort()

    async def main() -> None:
        async with fake_worker(shared_redis.url, dies) as worker, client(gateway) as me:
            await me.send(SECOND)
            events = await me.rest()
            assert [e["type"] for e in events] == ["session.begin", *["warning"] * 4, "error"]
            assert len(worker.visits) == 4
            assert events[-1]["code"] == "internal"
            assert events[-1]["recoverable"] is False
            assert me.closed == (1011, "internal")
            await places_taken(shared_redis, 0)
            with shared_redis.client() as look:
                key = f"dalston:realtime:session:{events[0]['session_id']}"
                assert look.hget(key, "status") == "error"

    run(main())


@pytest.mark.parametrize(("code", "name"), [(4010, "lag_exceeded"), (4008, "idle_timeout")])
@pytest.mark.parametrize("told", [True, False])
def test_the_workers_close_reaches_the_client_with_one_error_before_it(
    gateway: GatewayProcess, shared_redis: RedisServer, code: int, name: str, told: bool
) -> None:
    async def closes(visit: WorkerVisit) -> None:
        if told:
            await visit.event("error", code=name, message="m", recoverable=False)
        await visit.connection.close(code, name)

    async def main() -> None:
        async with fake_worker(shared_redis.url, closes), client(gateway) as me:
            (error,) = await me.rest()
            assert error["code"] == name
            assert me.closed == (code, name)

    run(main())


def test_what_the_worker_sends_and_is_no_event_is_dropped_and_counted(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def garbles(visit: WorkerVisit) -> None:
        for frame in (b"\0", "{", "[]", '{"type": 3}', '{"text": "x"}', '{"type": "unknown"}'):
            await visit.connection.send(frame)
        await visit.event("warning", code="ok", message="an event")

    async def main() -> None:
        before = gateway.metric("dalston_gateway_undecodable_total")
        async with fake_worker(shared_redis.url, garbles), client(gateway) as me:
            assert [e.get("code") for e in await me.rest()] == ["ok"]
        assert gateway.metric("dalston_gateway_undecodable_total") == before + 6

    run(main())


def test_sessions_go_to_the_worker_with_the_largest_share_free(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    other = ModelInfo("accurate", "other", "fake", ("de",), {})

    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, worker_id="small", capacity=2) as small,
            fake_worker(shared_redis.url, worker_id="large", capacity=4) as large,
            fake_worker(shared_redis.url, worker_id="german", models=(other,)) as german,
            client(gateway) as a,
            client(gateway) as b,
            client(gateway) as c,
        ):
            for me in (a, b, c):
                await me.event("session.begin")
            assert (len(small.visits), len(large.visits), len(german.visits)) == (1, 2, 0)
            async with client(gateway, "model=accurate&language=de") as d:
                await d.event("session.begin")
            assert len(german.visits) == 1

    run(main())
