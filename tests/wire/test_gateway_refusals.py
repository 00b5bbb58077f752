"""What a gateway refuses before the upgrade: a 400 that names the parameter, always as JSON."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from dalston_realtime.protocol.models import ModelInfo
from tests.support.fake_worker import MODEL, fake_worker
from tests.support.gateway_process import PATH, GatewayProcess, client, run, until
from tests.support.redis_fixture import RedisServer

BAD = [
    ("model=", "model"),
    ("language=english", "language"),
    ("language=", "language"),
    ("encoding=aac", "encoding"),
    ("sample_rate=7999", "sample_rate"),
    ("sample_rate=192001", "sample_rate"),
    ("sample_rate=fast", "sample_rate"),
    ("channels=9", "channels"),
    ("interim_results=maybe", "interim_results"),
    ("enable_vad=", "enable_vad"),
    ("word_timestamps=2", "word_timestamps"),
    ("min_silence_ms=99", "min_silence_ms"),
    ("min_silence_ms=-300", "min_silence_ms"),
    ("vocabulary=word", "vocabulary"),
    ("vocabulary=" + quote(json.dumps(["x" * 51])), "vocabulary"),
    ("vocabulary=" + quote(json.dumps(["x"] * 101)), "vocabulary"),
    ("timing=on", "timing"),
    ("model=fast&model=accurate", "model"),
    ("model=%ff", "query"),
    ("&".join(f"p{n}=1" for n in range(101)), "query"),
    ("x=" + "y" * 70_000, "query"),
    ("x=" + "y" * 200_000, "query"),
]


async def refusal(url: str) -> tuple[int, dict[str, Any]]:
    """Status and `error` of a connect that is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, proxy=None):
            pass
    response = refused.value.response
    assert response.headers["content-type"] == "application/json"
    return response.status_code, json.loads(response.body or b"")["error"]


@pytest.mark.parametrize(("query", "param"), BAD, ids=[f"{q[:30]}" for q, _ in BAD])
def test_a_bad_value_is_refused(gateway: GatewayProcess, query: str, param: str) -> None:
    status, error = run(refusal(gateway.url(query)))
    assert status == 400
    assert error["code"] == "invalid_parameter"
    assert error["param"] == param
    assert error["message"]


def test_bytes_that_are_not_ascii_are_refused(gateway: GatewayProcess) -> None:
    head = (
        b"GET " + PATH.encode() + b"?model=\xff HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert run(raw(gateway, head)).startswith(b"HTTP/1.1 400 ")


def test_too_many_headers_are_refused(gateway: GatewayProcess) -> None:
    head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    more = "".join(f"x-{number}: 1\r\n" for number in range(200))
    assert run(raw(gateway, f"{head}{more}\r\n".encode())).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("data", [b"\0\1\2\3\r\n\r\n", b"GET /healthz HTTP/1.1\r\nbroken\r\n\r\n"])
def test_what_is_not_http_is_refused(gateway: GatewayProcess, data: bytes) -> None:
    assert run(raw(gateway, data)).startswith(b"HTTP/1.1 400 ")


async def raw(gateway: GatewayProcess, data: bytes) -> bytes:
    """What comes back for these bytes until the gateway closes."""
    reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def test_the_longest_vocabulary_is_accepted(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    phrases = ["ж" * 50] * 100

    async def main() -> None:
        async with fake_worker(shared_redis.url) as worker:
            async with client(gateway, f"vocabulary={quote(json.dumps(phrases, ensure_ascii=False))}") as me:
                await me.event("session.begin")
            assert worker.visits[0].request.config.vocabulary == tuple(phrases)

    run(main())


def test_models_and_languages_are_judged_by_what_live_workers_have(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    both = (MODEL, ModelInfo("fast", "tiny-de", "fake", ("de",), {}))

    async def main() -> None:
        async with fake_worker(shared_redis.url, models=both) as worker:
            await until(lambda: _knows(gateway, "tiny-de"))
            status, error = await refusal(gateway.url("model=no-such-model"))
            assert (status, error["param"]) == (400, "model")
            assert "fast, accurate, tiny-de, tiny-en" in error["message"]
            status, error = await refusal(gateway.url("model=tiny-de&language=en"))
            assert (status, error["param"]) == (400, "language")
            assert "auto, de" in error["message"]
            async with client(gateway, "model=tiny-de&language=DE-at") as me:
                assert (await me.event("session.begin"))["type"] == "session.begin"
            assert worker.visits[-1].request.config.language == "de"
            for query in ("model=tiny-de&language=de", "model=fast&language=en", "model=fast"):
                async with client(gateway, query) as me:
                    await me.event("session.begin")
            async with client(gateway, "model=accurate") as me:
                assert (await me.event())["code"] == "no_capacity"

    run(main())


async def _knows(gateway: GatewayProcess, model: str) -> bool:
    return model in (await asyncio.to_thread(gateway.get, "/v1/models")).text


def test_without_a_live_worker_no_model_is_called_wrong(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        await until(lambda: _has_none(gateway))
        async with client(gateway, "model=some-model&language=xx") as me:
            assert (await me.event())["code"] == "no_capacity"

    run(main())


async def _has_none(gateway: GatewayProcess) -> bool:
    status = await asyncio.to_thread(gateway.get, "/v1/realtime/status")
    return bool(status.json()["worker_count"] == 0)


def test_an_unknown_path_is_refused(gateway: GatewayProcess) -> None:
    status, error = run(refusal(f"ws://{gateway.host}:{gateway.port}/v1/nothing"))
    assert (status, error["code"]) == (404, "not_found")
