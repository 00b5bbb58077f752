"""Wyoming clients at a gateway whose worker says what it has heard."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, run
from tests.support.gateway_sessions import recorder
from tests.support.redis_fixture import RedisServer
from tests.support.wyoming_client import AUDIO, WyomingClient, wyoming_client, wyoming_gateway


@pytest.fixture(scope="module")
def _served(_shared_redis: RedisServer) -> Iterator[tuple[GatewayProcess, int]]:
    with wyoming_gateway(_shared_redis.url) as served:
        yield served


@pytest.fixture
def port(_served: tuple[GatewayProcess, int], shared_redis: RedisServer) -> Iterator[int]:
    """The port; whatever a client sends, there is no traceback in the log."""
    yield _served[1]
    assert "Traceback" not in "\n".join(_served[0].process.lines)


async def answer(me: WyomingClient) -> tuple[list[str], dict[str, Any]]:
    """The pieces and the transcript that end a request."""
    pieces = []
    while event := await me.event():
        if event.type == "transcript-chunk":
            pieces.append(event.data["text"])
        if event.type == "transcript":
            assert (await me.until("transcript-stop")) == {}
            return pieces, event.data
    raise AssertionError("the connection was closed")


def test_home_assistant_is_told_what_this_is_without_any_worker(port: int) -> None:
    async def main() -> dict[str, Any]:
        async with wyoming_client(port) as me:
            await me.send("describe")
            info = await me.until("info")
            await me.send("ping", {"text": "there?"})
            assert await me.until("pong") == {"text": "there?"}
            return info

    (program,) = run(main())["asr"]
    assert program["installed"]
    assert program["requires_external_vad"]
    assert program["models"][0]["languages"] == ["en"]


def test_several_requests_on_one_connection(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder) as worker, wyoming_client(port) as me:
            await me.send("select-program", {"name": "dalston-realtime"})
            await me.send("transcribe", {"language": "en", "transcript_names": ["Ann"], "context": {"a": 1}})
            await me.send("from-the-future", {"a": [1]}, b"xyz")
            await me.say(2)
            assert await answer(me) == (["w1", " w2"], {"text": "w1 w2"})
            await me.say(1, rate=8_000, channels=2)
            assert await answer(me) == (["w1"], {"text": "w1"})
            await me.say(0)
            assert await answer(me) == ([], {"text": ""})
            configs = [visit.request.config for visit in worker.visits]
            assert [(c.sample_rate, c.channels, c.vocabulary) for c in configs] == [
                (16_000, 1, ("Ann",)),
                (8_000, 2, ()),
            ]

    run(main())


def test_who_is_refused_is_told_at_once_and_may_try_again(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), wyoming_client(port) as me:
            await me.send("transcribe", {"language": "english"})
            await me.say(1)
            assert (await me.until("error"))["code"] == "invalid_parameter"
            await me.say(1)
            assert (await answer(me))[1] == {"text": "w1"}
            await me.send("audio-start", AUDIO)
            await me.send("audio-chunk", AUDIO | {"width": 4}, bytes(4))
            assert (await me.until("error"))["code"] == "invalid_request"

    run(main())


def test_without_a_slot_there_is_an_error(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder, capacity=0), wyoming_client(port) as me:
            await me.say(1)
            assert (await me.until("error"))["code"] == "no_capacity"

    run(main())


def test_a_client_that_sends_no_more_gets_its_answer(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), wyoming_client(port) as me:
            await me.say(1)
            me.writer.write_eof()
            assert (await answer(me))[1] == {"text": "w1"}
            assert await me.event() is None

    run(main())


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\xff\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type":"' + b"x" * (1 << 20) + b'"}\n',
        b'{"type":"audio-chunk","payload_length":1099511627776}\n',
        b'{"type":"audio-start","data":{"rate":"fast"}}\n',
        b'{"type":"transcribe","data":{"language":7}}\n',
    ],
)
def test_what_is_no_event_is_answered_and_ends_the_connection(port: int, data: bytes) -> None:
    async def main() -> None:
        async with wyoming_client(port) as me:
            me.writer.write(data)
            assert (await me.until("error"))["code"] == "invalid_request"
            assert await me.event() is None

    run(main())


def test_a_gateway_that_stops_closes_the_connections(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with wyoming_gateway(shared_redis.url) as (gateway, port):
            async with (
                fake_worker(shared_redis.url, recorder),
                wyoming_client(port) as idle,
                wyoming_client(port) as speaking,
            ):
                await speaking.send("audio-chunk", AUDIO, bytes(32_000))
                await speaking.until("transcript-chunk")
                gateway.process.send(signal.SIGTERM)
                assert await speaking.event() is None
                assert await idle.event() is None
            assert gateway.process.wait() == 0
            assert "Traceback" not in "\n".join(gateway.process.lines)

    run(main())


def test_a_server_that_finds_the_end_answers_before_the_audio_ends(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with wyoming_gateway(shared_redis.url, wyoming_endpointing="server") as (_, port):
            async with fake_worker(shared_redis.url, recorder), wyoming_client(port) as me:
                await me.send("describe")
                assert not (await me.until("info"))["asr"][0]["requires_external_vad"]
                await me.send("audio-chunk", AUDIO, bytes(32_000))
                assert (await answer(me))[1] == {"text": "w1"}
                await me.say(1)
                assert (await answer(me))[1] == {"text": "w1"}

    run(main())
