"""REST of a real gateway on a real Redis."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from dalston_realtime.protocol.models import ModelInfo
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import PATH, GatewayProcess, client, run, until
from tests.support.redis_fixture import RedisServer

FEATURES = {"streaming": True, "interim_results": True}
MODELS = (
    ModelInfo("fast", "rest-fast", "fake", ("en", "de"), FEATURES),
    ModelInfo("accurate", "rest-accurate", "fake", ("en",), {}),
)


async def body(gateway: GatewayProcess, path: str, condition: Callable[[Any], bool] = lambda _: True) -> Any:
    """The body of a path, once it fulfils a condition: views are up to a second old."""

    found: list[Any] = []

    async def fulfilled() -> bool:
        found.append((await asyncio.to_thread(gateway.get, path)).json())
        return condition(found[-1])

    await until(fulfilled)
    return found[-1]


def test_alive(gateway: GatewayProcess) -> None:
    response = gateway.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"status": "alive"}


def test_models_workers_and_status(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, worker_id="a", models=MODELS, capacity=2),
            fake_worker(shared_redis.url, worker_id="b", models=MODELS[:1], capacity=3),
            client(gateway, "model=accurate") as me,
        ):
            await me.event("session.begin")
            status = await body(gateway, "/v1/realtime/status", lambda found: found["active_sessions"] == 1)
            assert status == {
                "status": "ready",
                "total_capacity": 5,
                "active_sessions": 1,
                "available_capacity": 4,
                "worker_count": 2,
                "ready_workers": 2,
            }
            models = await body(gateway, "/v1/models")
            assert models["variants"] == {"fast": ["rest-fast"], "accurate": ["rest-accurate"]}
            assert models["models"][1] == {
                "variant": "fast",
                "name": "rest-fast",
                "engine": "fake",
                "languages": ["en", "de"],
                "features": FEATURES,
                "streaming": True,
                "workers": 2,
            }
            workers = await body(gateway, "/v1/realtime/workers")
            assert workers["total"] == 2
            first = workers["workers"][0]
            assert first.pop("endpoint").startswith("ws://127.0.0.1:")
            assert first.pop("last_heartbeat").endswith("Z")
            first.pop("version", None)
            assert first == {
                "worker_id": "a",
                "status": "ready",
                "capacity": 2,
                "active_sessions": 1,
                "models": ["rest-fast", "rest-accurate"],
                "lag": 0.0,
                "pass_age": 0.0,
            }

    run(main())


def test_ready_with_capacity_and_not_without(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    def says(code: str) -> Callable[[Any], bool]:
        return lambda found: found.get("error", found).get("code", "ready") == code

    async def main() -> None:
        nobody = await body(gateway, "/readyz", says("no_worker"))
        assert nobody["error"]["message"] == "no worker is there"
        assert gateway.get("/readyz").status_code == 503
        async with fake_worker(shared_redis.url, capacity=1):
            await body(gateway, "/readyz", says("ready"))
            assert gateway.get("/readyz").status_code == 200
            async with client(gateway) as me:
                await me.event("session.begin")
                full = await body(gateway, "/readyz", lambda found: found.get("status") == "at_capacity")
                assert full["message"] == "all slots are taken"
                assert full["retry_after"] >= 1
                assert gateway.get("/readyz").status_code == 200
                assert gateway.get("/v1/realtime/status").json()["status"] == "at_capacity"
            await body(gateway, "/readyz", says("ready"))

    run(main())


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", PATH, 426, "upgrade_required"),
    ],
)
def test_errors_have_one_shape(
    gateway: GatewayProcess, method: str, path: str, status: int, code: str
) -> None:
    response = gateway.call(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["message"]


def test_metrics_count_sessions_and_audio(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        before = {name: gateway.metric(name) for name in counted}
        async with fake_worker(shared_redis.url), client(gateway) as me:
            await me.send(bytes(32_000))
            await me.event("session.begin")
            assert gateway.metric("dalston_gateway_connections") == 1
            await me.send({"type": "end"})
            await me.rest()
        await until(lambda: _is_zero(gateway, "dalston_gateway_connections"))
        assert {name: gateway.metric(name) - before[name] for name in counted} == pytest.approx(
            dict.fromkeys(counted, 1.0)
        )
        assert gateway.metric("dalston_gateway_redis_available") == 1

    counted = (
        'dalston_gateway_sessions_total{reason="normal"}',
        "dalston_gateway_audio_seconds_total",
        "dalston_gateway_routing_seconds_count",
    )
    run(main())


async def _is_zero(gateway: GatewayProcess, name: str) -> bool:
    return gateway.metric(name) == 0


def test_metrics_show_the_slots_of_the_workers(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        used, free = (
            f'dalston_gateway_slots{{state="{state}",variant="fast"}}' for state in ("used", "free")
        )
        async with fake_worker(shared_redis.url, capacity=3), client(gateway) as me:
            await me.event("session.begin")
            await until(lambda: _has(gateway, {used: 1.0, free: 2.0}))
            assert gateway.metric('dalston_gateway_workers{status="ready"}') == 1
        assert re.search(r'^dalston_build_info\{version="[\d.]+', gateway.get("/metrics").text, re.MULTILINE)

    run(main())


async def _has(gateway: GatewayProcess, expected: dict[str, float]) -> bool:
    return {name: gateway.metric(name) for name in expected} == expected
