"""Tests `python -m broker` and `python -m broker.store` as processes."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from broker.records import SlotRequest, WorkerRecord
from broker.registry import Registry
from broker.router import SessionRouter
from broker.settings import BrokerSettings
from dalston_realtime.protocol.models import ModelInfo
from tests.support.gateway_process import process, run
from tests.support.managed_process import EXIT_S, ManagedProcess
from tests.support.redis_fixture import RedisServer

RECORD = WorkerRecord("w1", "ws://x", 4, (ModelInfo("fast", "tiny", "fake", ("en",), {}),))
QUICK = {"heartbeat_timeout": "1.5", "watch_interval": "0.05"}  # Seconds; a worker gets sessions meanwhile.


async def lose_a_worker(broker: ManagedProcess, url: str, name: str, skip: int = 0) -> str:
    """Let a worker with two sessions send one heartbeat; the line that says that it is gone."""
    registry, router = Registry.connect(url), SessionRouter.connect(BrokerSettings(redis_url=url))
    await registry.heartbeat(WorkerRecord(name, "ws://x", 4, RECORD.models))
    for number in range(2):
        await router.allocate(f"{name}-{number}", SlotRequest())
    line = await asyncio.to_thread(broker.line, f"a worker is offline worker={name}", skip)
    assert await router.sessions() == {}
    await registry.close()
    await router.close()
    return line


def test_the_broker_marks_a_silent_worker_offline(shared_redis: RedisServer) -> None:
    with process("broker", redis_url=shared_redis.url, **QUICK) as broker:
        broker.line("watching")
        line = run(lose_a_worker(broker, shared_redis.url, "w1"))
        assert line.endswith("a worker is offline worker=w1 sessions_freed=2")
        with shared_redis.client() as look:
            assert look.hget("dalston:realtime:worker:w1", "status") == "offline"
            assert look.hget("dalston:realtime:session:w1-0", "status") == "error"


def test_the_broker_outlives_redis(own_redis: RedisServer) -> None:
    own_redis.stop()
    with process("broker", redis_url=own_redis.url, **QUICK) as broker:
        broker.line("Redis is away")
        own_redis.start()
        broker.line("Redis is back")
        run(lose_a_worker(broker, own_redis.url, "w1"))
        seen = len(broker.lines)
        own_redis.stop()
        broker.line("Redis is away", seen)
        own_redis.start()
        broker.line("Redis is back", seen)
        run(lose_a_worker(broker, own_redis.url, "w2", seen))
        assert sum("Redis" in line for line in broker.lines) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_broker_ends_at_a_signal(number: signal.Signals) -> None:
    with process("broker", redis_url="unix:///nowhere/redis.sock") as broker:
        broker.line("watching")
        broker.send(number)
        assert broker.wait(EXIT_S) == 0


@pytest.fixture
def folders() -> Iterator[dict[str, str]]:
    """A run and a data folder with short names."""
    with TemporaryDirectory(prefix="dalston-") as folder:
        yield {"run_dir": f"{folder}/run", "data_dir": f"{folder}/data"}


def answering(embedded: ManagedProcess, folders: dict[str, str]) -> "redis.Redis":
    """A client of the embedded server, once it answers."""
    embedded.line("Server initialized")
    client = redis.Redis(unix_socket_path=f"{folders['run_dir']}/redis.sock", decode_responses=True)
    assert client.ping()
    return client


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_embedded_redis_keeps_nothing_on_the_disk(
    folders: dict[str, str], number: signal.Signals
) -> None:
    data = Path(folders["data_dir"], "redis")
    data.mkdir(parents=True)
    for name in ("appendonly.aof", "dump.rdb"):  # what a server left that saved its data
        (data / name).write_bytes(b"what was said")
    for _ in range(2):
        with (
            process("broker.store", **folders) as embedded,
            answering(embedded, folders) as look,
        ):
            assert look.get("key") is None
            look.set("key", "said")
            assert look.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            assert look.config_get("port")["port"] == "0"
            assert int(look.config_get("maxmemory")["maxmemory"]) == 256 << 20
            assert os.stat(folders["run_dir"]).st_mode & 0o777 == 0o700
            embedded.send(number)
            embedded.wait()
            assert [path.name for path in data.iterdir()] == ["lock"]


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_the_embedded_redis_ends_cleanly(folders: dict[str, str], signals: list[signal.Signals]) -> None:
    with process("broker.store", **folders) as embedded:
        answering(embedded, folders).close()
        for number in signals:
            embedded.send(number)
            embedded.line("scheduling shutdown")
        assert embedded.wait(EXIT_S) == 0
        assert not Path(folders["run_dir"], "redis.sock").exists()


def test_a_second_embedded_redis_is_refused(folders: dict[str, str]) -> None:
    with process("broker.store", **folders) as first:
        answering(first, folders).close()
        for other in ({"run_dir": folders["run_dir"] + "2"}, {"data_dir": folders["data_dir"] + "2"}):
            with process("broker.store", **(folders | other)) as second:
                assert second.wait() == 1
                assert "a Redis runs already" in second.lines[-1]


def test_what_the_embedded_redis_cannot_use_is_named(folders: dict[str, str]) -> None:
    bad = {"run_dir": "/tmp/" + "x" * 100, "data_dir": "/proc/nothing", "redis_maxmemory": "lots"}
    for name, value in bad.items():
        with process("broker.store", **(folders | {name: value})) as embedded:
            assert embedded.wait() == 1
            assert f"DALSTON_{name.upper()}" in embedded.lines[-1]


def test_with_a_redis_of_its_own_no_embedded_one_is_started(folders: dict[str, str]) -> None:
    with process("broker.store", redis_url="redis://elsewhere", **folders) as embedded:
        embedded.line("DALSTON_REDIS_URL")
        embedded.send(signal.SIGTERM)
        assert embedded.wait() == 0
        assert len(embedded.lines) == 1
        assert not Path(folders["data_dir"]).exists()
