"""Riva clients at a gateway whose worker says what it has heard."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import grpc
import pytest

from gateway.realtime.riva.proto import (
    SERVICE,
    ConfigRequest,
    ConfigResponse,
    RecognitionConfig,
    RecognizeRequest,
    RecognizeResponse,
    StreamingRequest,
    StreamingResponse,
)
from storage.api_keys.api_key import PREFIX
from tests.support.fake_worker import WorkerVisit, echo, fake_worker
from tests.support.gateway_process import GatewayProcess, gateway_process, run
from tests.support.gateway_sessions import SECOND, recorder
from tests.support.redis_fixture import RedisServer

CONFIG: Final = RecognitionConfig(encoding=1, sample_rate_hertz=16_000, language_code="en-US")


@contextmanager
def riva_gateway(redis_url: str) -> Iterator[tuple[GatewayProcess, int]]:
    """A gateway with a port for Riva, and that port."""
    with gateway_process(redis_url, riva_port="0") as started:
        port = re.search(r"port=(\d+)", started.process.line("serves Riva"))
        assert port is not None
        yield started, int(port[1])


@pytest.fixture(scope="module")
def _served(_shared_redis: RedisServer) -> Iterator[tuple[GatewayProcess, int]]:
    with riva_gateway(_shared_redis.url) as served:
        yield served


@pytest.fixture
def port(_served: tuple[GatewayProcess, int], shared_redis: RedisServer) -> Iterator[int]:
    """The port; whatever a client sends, there is no traceback in the log."""
    yield _served[1]
    assert "Traceback" not in "\n".join(_served[0].process.lines)


@asynccontextmanager
async def stream(port: int, *messages: dict[str, Any], key: str = "") -> AsyncIterator[Any]:
    """A stream with this key, if any, that has sent its configuration and these messages."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream(
            f"/{SERVICE}/StreamingRecognize", StreamingRequest.SerializeToString, StreamingResponse.FromString
        )
        call = method(metadata=(("authorization", f"Bearer {key}"),) if key else None)
        first = {"streaming_config": {"config": CONFIG, "interim_results": True}}
        with suppress(
            grpc.aio.AioRpcError, asyncio.InvalidStateError
        ):  # One that is refused has ended already.
            for message in (first, *messages):
                await call.write(StreamingRequest(**message))
        yield call


async def results(call: Any) -> list[tuple[bool, str]]:
    """The results to the end of a stream: whether they are final, and their text."""
    found = []
    while (answer := await call.read()) is not grpc.aio.EOF:
        found += [(each.is_final, each.alternatives[0].transcript) for each in answer.results]
    return found


async def status(call: Any) -> grpc.StatusCode:
    """How a stream ends."""
    with suppress(grpc.aio.AioRpcError):
        await results(call)
    return await call.code()


def test_a_stream_from_its_configuration_to_its_end(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), stream(port, {"audio_content": SECOND}) as call:
            await call.write(StreamingRequest(audio_content=SECOND))
            await call.done_writing()
            assert await results(call) == [(True, "w1 "), (True, "w2 ")]
            assert await call.code() is grpc.StatusCode.OK

    run(main())


def test_every_flush_is_answered_and_interim_results_come(port: int, shared_redis: RedisServer) -> None:
    flush = {"runtime_config": [{"key": "force_eou", "value": "true"}]}

    async def main() -> None:
        messages = (flush, {"audio_content": SECOND}, flush)
        async with fake_worker(shared_redis.url, echo), stream(port, *messages) as call:
            await call.done_writing()
            assert await results(call) == [(True, ""), (False, "32000"), (True, "")]

    run(main())


@pytest.mark.parametrize("messages", [({"streaming_config": {"config": CONFIG}},)])
def test_a_configuration_cannot_change(
    port: int, shared_redis: RedisServer, messages: tuple[dict[str, Any], ...]
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), stream(port, *messages) as call:
            assert await status(call) is grpc.StatusCode.INVALID_ARGUMENT

    run(main())


def test_without_a_slot_a_stream_is_unavailable(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder, capacity=0), stream(port) as call:
            assert await status(call) is grpc.StatusCode.UNAVAILABLE

    run(main())


def test_a_key_that_nobody_has_is_refused(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), stream(port, key=f"{PREFIX}unknown") as call:
            assert await status(call) is grpc.StatusCode.UNAUTHENTICATED

    run(main())


def test_a_client_that_cancels_ends_its_session(port: int, shared_redis: RedisServer) -> None:
    over = asyncio.Event()

    async def watched(visit: WorkerVisit) -> None:
        try:
            await recorder(visit)
        finally:
            over.set()

    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, watched),
            stream(port, {"audio_content": SECOND}) as call,
        ):
            assert (await call.read()).results[0].is_final
            call.cancel()
            await over.wait()

    run(main())


def test_a_recording_and_the_models(port: int, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, recorder),
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            recognize = channel.unary_unary(
                f"/{SERVICE}/Recognize", RecognizeRequest.SerializeToString, RecognizeResponse.FromString
            )
            request = RecognizeRequest(config=CONFIG, audio=SECOND * 3, id={"value": "me"})
            response = await recognize(request)
            texts = [result.alternatives[0].transcript for result in response.results]
            assert (texts, response.id.value) == (["w1 ", "w2 ", "w3 "], "me")
            models = channel.unary_unary(
                f"/{SERVICE}/GetRivaSpeechRecognitionConfig",
                ConfigRequest.SerializeToString,
                ConfigResponse.FromString,
            )
            assert isinstance(await models(ConfigRequest()), ConfigResponse)

    run(main())


def test_a_gateway_that_stops_is_unavailable(shared_redis: RedisServer) -> None:
    async def main() -> None:
        with riva_gateway(shared_redis.url) as (gateway, port):
            async with (
                fake_worker(shared_redis.url, recorder),
                stream(port, {"audio_content": SECOND}) as call,
            ):
                assert (await call.read()).results[0].is_final
                gateway.process.send(signal.SIGTERM)
                assert await status(call) is grpc.StatusCode.UNAVAILABLE
            assert gateway.process.wait() == 0
            assert "Traceback" not in "\n".join(gateway.process.lines)

    run(main())
