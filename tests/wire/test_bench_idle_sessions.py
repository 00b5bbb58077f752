"""Holds the benchmark's idle sessions at a real gateway, and checks that failures are counted."""

from bench.load.idle_sessions import IdleSessions
from bench.servers.fake_worker import answer_like_speech
from tests.support.fake_worker import WorkerVisit, fake_worker
from tests.support.gateway_process import GatewayProcess, run, until
from tests.support.redis_fixture import RedisServer


def test_they_come_change_and_leave(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, answer_like_speech, capacity=8) as worker:
            idle_sessions = IdleSessions(f"{gateway.host}:{gateway.port}", speaking=True)
            await idle_sessions.start(3, 0.001)
            await idle_sessions.replace(2, 0.1)
            assert (len(idle_sessions), len(idle_sessions.began), idle_sessions.errors) == (3, 5, [])

            async def heard() -> bool:
                return any(isinstance(frame, bytes) for frame in worker.visits[-1].received)

            await until(heard)
            await idle_sessions.end_all()
            assert (len(idle_sessions), idle_sessions.errors) == (0, [])
            assert len(worker.visits) == 5

    run(main())


def test_what_fails_is_counted(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def ends(visit: WorkerVisit) -> None:
        await visit.begin()
        await visit.connection.close(1000)

    async def main() -> None:
        async with fake_worker(shared_redis.url, ends, capacity=1):
            idle_sessions = IdleSessions(f"{gateway.host}:{gateway.port}")
            await idle_sessions.start(1, 0.001)

            async def failed() -> bool:
                return idle_sessions.errors == ["closed with 1000 normal"]

            await until(failed)
        refused = IdleSessions(f"{gateway.host}:{gateway.port}")
        await refused.start(1, 0.001)
        assert len(refused.errors) == 1  # its slots are still held, or the worker is known to be gone

    run(main())
