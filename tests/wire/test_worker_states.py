"""A real worker that is asked to drain, loses a stage, and is stopped."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from broker.router import SessionRouter
from broker.settings import BrokerSettings
from broker.store.keys import PLAIN
from dalston_realtime.protocol.commands import EndCommand, encode_command
from runtime.worker_link import VERSION, SessionRefused, decode_reply
from tests.support.gateway_process import run, until
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer, redis_server
from tests.support.worker_process import WorkerProcess, send_audio, worker_process
from tests.support.worker_sessions import events_to_close, next_event, request, worker_session

REPORTED_S = 2.0  # Seconds after a death, for the event and the registry on a busy machine.


@pytest.fixture(scope="module")
def registry() -> Iterator[RedisServer]:
    """The Redis of this file's worker."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def worker(registry: RedisServer) -> Iterator[WorkerProcess]:
    """One worker for this file; its sessions have 5 s after the signal."""
    with worker_process(registry.url, drain_timeout="5") as started:
        yield started


async def status(registry: RedisServer, worker: WorkerProcess, expected: str) -> None:
    """Wait for a state in the registry."""
    with registry.client() as look:

        async def is_so() -> bool:
            return bool(look.hget(PLAIN.worker(worker.worker_id), "status") == expected)

        await until(is_so)


def test_nobody_talks_to_a_worker_without_the_secret(worker: WorkerProcess) -> None:
    async def ask(secret: str) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with worker.connect(secret=secret):
                pass
        return refused.value.response.status_code

    assert run(ask("another secret")) == 401
    assert run(ask("")) == 401
    assert worker.get("/healthz").status_code == 200


def test_a_second_worker_with_the_same_id_ends_with_a_clear_line(
    worker: WorkerProcess, registry: RedisServer, tmp_path: Path
) -> None:
    async def main() -> None:
        await status(registry, worker, "ready")
        async with worker_session(worker, "s1") as session:
            assert (await next_event(session))["type"] == "session.begin"
            second = WorkerProcess(tmp_path, registry.url, "", worker_id=worker.worker_id)
            try:
                second.start()
                line = await asyncio.to_thread(
                    second.line, "receiver.1", f"^receiver: another worker with the id {worker.worker_id}"
                )
                assert f"at ws://127.0.0.1:{worker.port}: set another DALSTON_WORKER_ID" in line
                assert await asyncio.to_thread(second.wait, "receiver.1") == 1
            finally:
                second.end()
            await status(registry, worker, "ready")
            await session.send(encode_command(EndCommand()))
            assert (await events_to_close(session))[-1]["type"] == "session.end"

    run(main(), 30)


def test_a_worker_that_is_asked_to_drain_moves_its_sessions_in_the_end(
    worker: WorkerProcess, registry: RedisServer
) -> None:
    async def main() -> None:
        router = SessionRouter.connect(BrokerSettings(redis_url=registry.url))
        await status(registry, worker, "ready")
        async with worker_session(worker, "s1") as session:
            assert (await next_event(session))["type"] == "session.begin"
            assert await router.drain(worker.worker_id, 0.5)
            await status(registry, worker, "draining")
            assert (await next_event(session))["code"] == "restarting"
            with pytest.raises(ConnectionClosed):
                await session.recv()
            assert session.close_code == 1012
        await router.drain(worker.worker_id, None)
        await status(registry, worker, "ready")
        await router.close()

    run(main())


def test_a_stage_that_is_killed_is_reported_at_once(worker: WorkerProcess, registry: RedisServer) -> None:
    async def main() -> None:
        with registry.client() as look, look.pubsub() as channel:
            channel.subscribe(PLAIN.channel)
            async with worker_session(worker, "s2") as session:
                await send_audio(session, bytes(32_000))
                assert (await next_event(session))["type"] == "session.begin"
                worker.kill("vad.1")
                async with asyncio.timeout(REPORTED_S):
                    assert (await next_event(session))["message"] == "the worker has lost vad.1"
                    with pytest.raises(ConnectionClosed):
                        await session.recv()
                    assert session.close_code == 1011
                    await status(registry, worker, "offline")
            async with worker.connect() as connection:
                await connection.send(request())
                refused = decode_reply(await connection.recv())
            assert refused == SessionRefused(version=VERSION, message="waiting for vad.1")
            assert "a stage process is gone" in worker.logs()  # It was not missed by its heartbeats alone.
            said = [channel.get_message(timeout=DEADLINE_S) for _ in range(2)]
            assert said[-1]["data"] == f"offline {worker.worker_id}"
        worker.start_one("vad.1")
        await status(registry, worker, "ready")

    run(main())


def test_the_signal_leaves_sessions_the_time_to_end(worker: WorkerProcess, registry: RedisServer) -> None:
    async def main() -> None:
        async with worker_session(worker) as session:
            assert (await next_event(session))["type"] == "session.begin"
            worker.terminate()
            await status(registry, worker, "draining")
            await session.send('{"type":"end"}')
            assert [event["type"] for event in await events_to_close(session)] == ["session.end"]
            assert session.close_code == 1000

    run(main())
    exits = asyncio.run(asyncio.to_thread(worker.exits))
    assert exits == dict.fromkeys(worker.names, 0), worker.logs()
