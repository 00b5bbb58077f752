"""Clients that send compressed audio to a real gateway: the worker hears samples, whatever breaks."""

from typing import Any

import pytest
from websockets.asyncio.client import connect

from runtime.audio.compressed.container_thread import ContainerThread
from runtime.audio.compressed.opus_packets import OpusPackets
from tests.support.encoded_audio import container, late_mp4, opus_packets
from tests.support.fake_worker import FakeWorker, fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, run
from tests.support.gateway_sessions import begun, lost, recorder
from tests.support.redis_fixture import RedisServer

WEBM = container("webm")
MIDDLE = len(WEBM) * 3 // 4  # Bytes: behind the first second.
PACKETS = opus_packets()
CONTAINER = "encoding=container"


async def decoded(data: bytes) -> bytes:
    """A whole container, decoded here."""
    thread = ContainerThread(0)
    found = [block async for block in thread.decode(data)]
    found += [block async for block in thread.finish()]
    thread.close()
    return b"".join(found)


def heard(worker: FakeWorker) -> bytes:
    """All audio that the worker got."""
    return b"".join(f for visit in worker.visits for f in visit.received if isinstance(f, bytes))


async def ended(me: Client) -> list[dict[str, Any]]:
    await me.send({"type": "end"})
    return await me.rest()


def test_the_worker_hears_what_is_in_a_container(gateway: GatewayProcess, shared_redis: RedisServer) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, recorder) as worker,
            client(gateway, CONTAINER) as me,
        ):
            await begun(me)
            for at in range(0, len(WEBM), 1_000):
                await me.send(WEBM[at : at + 1_000])
            await me.send({"type": "flush", "id": "f"})
            assert (await ended(me))[-1]["type"] == "session.end"
            assert worker.visits[0].request.config.encoding == "pcm_s16le"
            assert heard(worker) == await decoded(WEBM)

    run(main())


def test_the_worker_hears_what_is_in_opus_packets_and_garbage_among_them_is_said_once(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        packets = OpusPackets(1, 0)
        expected = b"".join(packets.decode(packet) or b"" for packet in PACKETS) + packets.drain()
        async with fake_worker(shared_redis.url, recorder) as worker, client(gateway, "encoding=opus") as me:
            await begun(me)
            for packet in PACKETS:
                await me.send(packet)
                await me.send(b"\xff\x3f")
            events = await ended(me)
            assert [e["code"] for e in events if e["type"] == "warning"] == ["undecodable_audio"]
            assert heard(worker) == expected

    run(main())


def test_a_client_that_comes_back_goes_on_in_the_middle_of_its_container(
    gateway: GatewayProcess, shared_redis: RedisServer
) -> None:
    async def main() -> None:
        async with (
            fake_worker(shared_redis.url, recorder) as worker,
            client(gateway, CONTAINER) as first,
        ):
            await begun(first)
            await first.send(WEBM[:MIDDLE])
            await first.event("transcript.final")
            token = await lost(first)
            async with connect(gateway.url(f"resume={token}"), proxy=None, compression=None) as connection:
                me = Client(connection, first.seq)
                resumed = await me.event("session.resumed")
                assert resumed["bytes_received"] == MIDDLE
                await me.send(WEBM[MIDDLE:])
                await ended(me)
            assert heard(worker) == await decoded(WEBM)

    run(main())


@pytest.mark.parametrize(
    ("query", "data", "says"),
    [
        (CONTAINER, late_mp4(), "faststart"),
        (CONTAINER, bytes(9_000), "encoding=pcm_s16le"),
        ("encoding=container&channels=2&channel_mode=separate", WEBM, "channels=1"),
    ],
)
def test_what_cannot_be_decoded_ends_the_session_with_the_reason(
    gateway: GatewayProcess, shared_redis: RedisServer, query: str, data: bytes, says: str
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, query) as me:
            await begun(me)
            await me.send(data)
            *_, error = await me.rest()
            assert (error["type"], error["code"]) == ("error", "invalid_request")
            assert says in error["message"]
            assert me.closed == (4400, "invalid_request")

    run(main())
