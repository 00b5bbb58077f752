"""Clients of other services at a real gateway: what they are refused with, and what they hear."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.support.encoded_audio import container
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, run, until
from tests.support.redis_fixture import RedisServer

SECOND: Final = bytes(32_000)
LISTEN: Final = "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
FLUX: Final = "/v2/listen?encoding=linear16&sample_rate=16000"
ELEVENLABS: Final = "/v1/speech-to-text/realtime"
TWILIO: Final = "/v1/twilio/media"
ASSEMBLYAI: Final = "/v3/ws"


async def answer(gateway: GatewayProcess, path: str) -> tuple[int, str]:
    """The status with which a path is answered, and the reason that Deepgram's clients show."""
    try:
        async with dialed(gateway, path):
            return 101, ""
    except InvalidStatus as refused:
        return refused.response.status_code, refused.response.headers.get("dg-error", "")


async def until_answered(gateway: GatewayProcess, status: int) -> None:
    """Wait until the gateway has seen that there is a worker, or none: it looks once a second."""

    async def is_answered() -> bool:
        return (await answer(gateway, LISTEN))[0] == status

    await until(is_answered)


@asynccontextmanager
async def served(
    gateway: GatewayProcess, redis: RedisServer, path: str, *offered: str
) -> AsyncIterator[ClientConnection]:
    """A connection to a path, where a worker is."""
    async with fake_worker(redis.url):
        await until_answered(gateway, 101)
        async with dialed(gateway, path, *offered) as ws:
            yield ws


@asynccontextmanager
async def dialed(gateway: GatewayProcess, path: str, *offered: str) -> AsyncIterator[ClientConnection]:
    """A connection to a path."""
    url = f"ws://{gateway.host}:{gateway.port}{path}"
    protocols = [Subprotocol(name) for name in offered] or None
    async with connect(url, proxy=None, compression=None, subprotocols=protocols) as ws:
        yield ws


async def rest_of(ws: ClientConnection) -> list[Any]:
    """All messages until the server closes."""
    found = []
    try:
        while True:
            found.append(orjson.loads(await ws.recv()))
    except ConnectionClosed:
        return found


def chunk(audio: bytes, *, commit: bool = False) -> str:
    """A message of ElevenLabs."""
    return orjson.dumps({"audio_base_64": base64.b64encode(audio).decode(), "commit": commit}).decode()


def media(event: str, about: dict[str, Any]) -> str:
    """A message of Twilio."""
    return orjson.dumps({"event": event, event: about}).decode()


SIMPLE: Final[dict[str, list[bytes | str]]] = {
    FLUX: [SECOND, '{"type":"ForceEndTurn"}', '{"type":"CloseStream"}'],
    TWILIO: [
        media("start", {"customParameters": {"token": "K", "events": "socket", "store": "false"}}),
        media("media", {"payload": base64.b64encode(bytes(160)).decode()}),
        media("stop", {}),
    ],
    ASSEMBLYAI: [SECOND, '{"type":"ForceEndpoint"}', '{"type":"Terminate"}'],
}
"""What clients say from the begin to the end."""

HEARD: Final = {
    FLUX: ["Connected", "StartOfTurn", "EndOfTurn"],
    TWILIO: [],
    ASSEMBLYAI: ["Begin", "Turn", "Turn", "Termination"],
}


def test_a_client_of_deepgram_hears_results(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        path = f"{LISTEN}&diarize=true&tag=a"
        async with served(gateway, shared_redis, path, "token", "K") as ws:
            assert ws.subprotocol == "token"
            assert ws.response is not None
            assert ws.response.headers["x-ignored"] == "diarize,tag"
            for frame in (SECOND, '{"type":"Finalize"}', "no JSON", '{"type":"CloseStream"}'):
                await ws.send(frame)
            error, interim, final, metadata = sorted(await rest_of(ws), key=_order)
            assert error["type"] == "Error"
            assert (interim["is_final"], interim["from_finalize"]) == (False, False)
            assert (final["is_final"], final["from_finalize"]) == (True, True)
            assert final["metadata"]["request_id"] == ws.response.headers["dg-request-id"]
            assert (metadata["type"], metadata["duration"]) == ("Metadata", 1.0)
            assert ws.close_code == 1000

    run(main())
    assert gateway.metric('dalston_gateway_dialect_ignored_total{dialect="deepgram",flag="diarize"}') == 1.0


@pytest.mark.parametrize("path", ["/v1/listen?interim_results=true", "/v2/listen"])
def test_audio_without_an_encoding_is_a_container(
    gateway: GatewayProcess, shared_redis: RedisServer, path: str
) -> None:
    async def main() -> None:
        webm = container("webm")
        async with served(gateway, shared_redis, path) as ws:
            for frame in (webm[:1000], webm[1000:], '{"type":"CloseStream"}'):
                await ws.send(frame)
            heard = await rest_of(ws)
            assert ws.close_code == 1000
            assert [each["duration"] for each in heard if each["type"] == "Metadata"] in ([], [2.0])
            assert {each["type"] for each in heard} & {"Results", "TurnInfo"}
            async with dialed(gateway, path) as other:
                await other.send(bytes(20_000))
                await rest_of(other)
                assert (other.close_code, str(other.close_reason)[:9]) == (1008, "DATA-0000")

    run(main())


def _order(message: dict[str, Any]) -> int:
    """The error is told at once, which may be before or after the first result."""
    return 0 if message["type"] == "Error" else 1


def test_each_commit_of_elevenlabs_is_answered(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with served(gateway, shared_redis, ELEVENLABS) as ws:
            for frame in (chunk(b"", commit=True), chunk(SECOND), chunk(b"", commit=True)):
                await ws.send(frame)
            kinds = [orjson.loads(await ws.recv())["message_type"] for _ in range(4)]
            assert kinds == [
                "session_started",
                "committed_transcript",
                "partial_transcript",
                "committed_transcript",
            ]

    run(main())


@pytest.mark.parametrize("path", SIMPLE)
def test_other_clients_are_served_to_their_end(
    gateway: GatewayProcess, shared_redis: RedisServer, path: str
) -> None:
    async def main() -> None:
        async with served(gateway, shared_redis, path) as ws:
            for frame in SIMPLE[path]:
                await ws.send(frame)
            said = await rest_of(ws)
            assert [message.get("event", message.get("type")) for message in said] == HEARD[path]
            assert ws.close_code == 1000

    run(main())


def test_a_client_is_refused_in_the_words_of_its_service(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        await until_answered(gateway, 503)
        assert await answer(gateway, LISTEN) == (503, "no worker is there")
        async with fake_worker(shared_redis.url):
            await until_answered(gateway, 101)
            status, reason = await answer(gateway, f"{LISTEN}&redact=pci")
            assert (status, reason) == (400, "redact is not supported: what it hides would be shown")
            assert (await answer(gateway, f"{LISTEN}&language=fr"))[0] == 400
            assert (await answer(gateway, "/v1/listen?encoding=%E2%82%AC%0D%0A"))[0] == 400

    run(main())
