"""Tests the hash fields of workers, the embedded server's command line and the names of the keys."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from broker.records import WorkerRecord, read_worker
from broker.store.embedded import server_binary, server_command
from broker.store.keys import CLUSTERED, PLAIN
from broker.store.scripts import Scripts
from dalston_realtime.protocol.models import ModelInfo
from runtime.errors import StartupError
from tests.support.hostile_frames import JSON, fewer, hostile_objects

MODEL = ModelInfo("fast", "tiny", "moonshine", ("en", "de"), {"streaming": False})
RECORD = WorkerRecord(
    "w", "ws://w:9000", 4, (MODEL,), lag=0.25, gpu_memory_total="24GB", pass_age=1.5, devices=("GPU-5f",)
)
FIELDS = RECORD.fields() | {"status": "ready", "heartbeat_ms": "1738065600000"}


def test_the_keys_are_those_of_the_specification() -> None:
    assert PLAIN.workers == "dalston:realtime:workers"
    assert PLAIN.active == "dalston:realtime:sessions:active"
    assert PLAIN.worker("w") == "dalston:realtime:worker:w"
    assert PLAIN.worker_sessions("w") == "dalston:realtime:worker:w:sessions"
    assert PLAIN.session("s") == "dalston:realtime:session:s"


def test_on_a_cluster_all_keys_lie_in_one_slot() -> None:
    keys = CLUSTERED
    named = [name for name in vars(keys).values() if name.startswith("{")]
    named += [keys.worker("a{b}"), keys.worker_sessions("w"), keys.session("s"), keys.checkpoint("s")]
    assert len({key_slot(name.encode()) for name in named}) == 1
    assert named[0] == "{dalston:realtime}:workers"


def test_a_record_survives_its_way_through_a_hash() -> None:
    worker = read_worker("w", FIELDS, active=1, fresh=True)
    assert worker is not None
    assert worker.endpoint == RECORD.endpoint
    assert worker.models == RECORD.models
    assert (worker.capacity, worker.active_sessions, worker.free) == (4, 1, 3)
    assert (worker.lag, worker.gpu_memory_total, worker.gpu_memory_used) == (0.25, "24GB", None)
    assert (worker.status, worker.alive) == ("ready", True)
    assert (worker.pass_age, worker.devices) == (1.5, ("GPU-5f",))


def test_an_old_heartbeat_is_offline_whatever_the_hash_says() -> None:
    worker = read_worker("w", FIELDS, active=1, fresh=False)
    assert worker is not None
    assert (worker.status, worker.alive, worker.free) == ("offline", False, 0)


@pytest.mark.parametrize(
    "broken",
    sorted(set(FIELDS) - {"models_loaded", "gpu_memory_total", "degraded_capacity", "pass_age", "devices"}),
)
def test_a_hash_that_is_not_a_worker_is_none(broken: str) -> None:
    without = {name: value for name, value in FIELDS.items() if name != broken}
    assert read_worker("w", without, 0, True) is None
    if broken not in ("endpoint", "last_heartbeat"):
        assert read_worker("w", FIELDS | {broken: "nonsense"}, 0, True) is None


LISTED = '{"variant":"fast","name":"tiny","engine":"x","languages":["en"],"features":%s}'


@pytest.mark.parametrize(
    "models",
    [
        "{}",
        "[3]",
        '[{"variant": "fast"}]',
        "null",
        '[["a"]]',
        f"[{LISTED}]" % "[]",
        "[" * 100_000,
        '["\\ud800"]',
    ],
)
def test_models_that_are_not_ours_make_no_worker(models: str) -> None:
    assert read_worker("w", FIELDS | {"models": models}, 0, True) is None


VALUES = st.text() | JSON.map(json.dumps) | hostile_objects(("variant", "features", "languages"), ("fast",))


@fewer(4)
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES, min_size=1, max_size=3))
def test_any_hash_is_a_worker_that_can_be_described_or_none(others: dict[str, str]) -> None:
    worker = read_worker("w", FIELDS | others, 0, True)
    if worker is not None:
        assert worker.capacity >= 0
        assert math.isfinite(worker.lag + worker.pass_age)


def test_a_model_answers_to_its_variant_and_its_name() -> None:
    assert MODEL.answers_to("fast")
    assert MODEL.answers_to("tiny")
    assert not MODEL.answers_to("accurate")
    assert MODEL.speaks("auto")
    assert MODEL.speaks("de")
    assert not MODEL.speaks("fr")


def test_the_embedded_server_listens_on_its_socket_alone() -> None:
    command = server_command(Path("/run/x/redis.sock"), Path("/data/redis"), "64mb")
    options = dict(zip(command[::2], command[1::2], strict=True))
    assert options["--port"] == "0"
    assert options["--unixsocket"] == "/run/x/redis.sock"
    assert options["--unixsocketperm"] == "700"
    assert (options["--appendonly"], options["--save"]) == ("no", "")
    assert options["--maxmemory"] == "64mb"
    assert options["--maxmemory-policy"] == "noeviction"
    assert server_binary().name == "redis-server"


def test_a_socket_path_that_is_too_long_is_named() -> None:
    with pytest.raises(StartupError, match="DALSTON_RUN_DIR"):
        server_command(Path("/" + "x" * 120), Path("/data"), "64mb")


@pytest.mark.parametrize("url", ["nonsense", "http://x", "redis://x:port"])
def test_what_is_no_redis_url_is_named(url: str) -> None:
    with pytest.raises(StartupError, match="DALSTON_REDIS_URL"):
        Scripts(url)
