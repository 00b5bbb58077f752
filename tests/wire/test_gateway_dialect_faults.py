"""Clients of other services that flood, mix and break off: all is answered, and no log has a traceback."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, run, until
from tests.support.redis_fixture import RedisServer

FLOOD: Final = 100
LISTEN: Final = "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true"
REALTIME: Final = "/v1/realtime"
ELEVENLABS: Final = "/v1/speech-to-text/realtime"


@pytest.fixture
def faulty(gateway: GatewayProcess) -> Iterator[GatewayProcess]:
    """The gateway; whatever a client sends, there is no traceback in its log."""
    yield gateway
    assert "Traceback" not in "\n".join(gateway.process.lines)


@asynccontextmanager
async def served(gateway: GatewayProcess, redis: RedisServer) -> AsyncIterator[None]:
    """A worker of which the gateway knows: it looks once a second."""

    async def is_ready() -> bool:
        return (await asyncio.to_thread(gateway.get, "/readyz")).status_code == 200

    async with fake_worker(redis.url):
        await until(is_ready)
        yield


def message(kind: str, **fields: Any) -> str:
    """A message of OpenAI's."""
    return orjson.dumps({"type": kind, **fields}).decode()


def append(audio: bytes) -> str:
    """Audio for OpenAI's protocol."""
    return message("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


MANUAL: Final = message(
    "session.update", session={"audio": {"input": {"turn_detection": None, "format": {"type": "audio/pcm"}}}}
)
COMMIT: Final = message("input_audio_buffer.commit")
ITEM_DONE: Final = "conversation.item.input_audio_transcription.completed"
EMPTY_COMMIT: Final = '{"message_type":"input_audio_chunk","audio_base_64":"","commit":true}'

Story = tuple[str, list[bytes | str], str]
FLOODS: Final[list[Story]] = [
    (LISTEN, [bytes(3_200), *['{"type":"Finalize"}'] * FLOOD], '"from_finalize":true'),
    (REALTIME, [MANUAL, *[COMMIT] * FLOOD], ITEM_DONE),
    (REALTIME, [append(bytes(4_800)), MANUAL, append(bytes(4_800)), *[COMMIT] * FLOOD], ITEM_DONE),
    (ELEVENLABS, [EMPTY_COMMIT] * FLOOD, '"committed_transcript"'),
]


@pytest.mark.parametrize(("path", "frames", "answer"), FLOODS)
def test_every_flush_of_a_flood_is_answered(
    faulty: GatewayProcess, shared_redis: RedisServer, path: str, frames: list[bytes | str], answer: str
) -> None:
    async def main() -> None:
        async with (
            served(faulty, shared_redis),
            connect(f"ws://{faulty.host}:{faulty.port}{path}", proxy=None) as ws,
        ):
            for frame in frames:
                await ws.send(frame)
            answers = 0
            while answers < FLOOD:
                answers += answer in str(await ws.recv())

    run(main())


@pytest.mark.parametrize("path", [LISTEN, REALTIME, ELEVENLABS, "/v2/listen", "/v3/ws", "/v1/twilio/media"])
def test_both_kinds_of_frames_and_a_connection_that_breaks_are_borne(
    faulty: GatewayProcess, shared_redis: RedisServer, path: str
) -> None:
    async def main() -> None:
        async with served(faulty, shared_redis):
            for last in (b"\x01", "[" * 10_000, append(b"\x00" * 1001)):
                async with connect(f"ws://{faulty.host}:{faulty.port}{path}", proxy=None) as ws:
                    with suppress(ConnectionClosed):  # Some servers end the session at the first of these.
                        for frame in ("{}", b"\x00", '{"type":7}', '{"event":"media"}', b"", last):
                            await ws.send(frame)
                    ws.transport.abort()
                    await ws.wait_closed()
        assert faulty.get("/healthz").status_code == 200

    run(main())
