"""Recorded sessions over real gateways: killed, taken over, resumed, with lost workers and full disks."""

import asyncio
import json
import os
import random
import resource
import signal
import wave
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from storage.recordings import NoRecording, RecordingNotReady, Recordings
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, run, until
from tests.support.gateway_sessions import begun, finals, lose, lost, recorder
from tests.support.redis_fixture import RedisServer

KILLS = int(os.environ.get("RECORDING_KILLS", "10"))
CHUNK = 3_200  # Bytes of 100 ms.
PACE_S = 0.02  # Seconds between two chunks: five times as fast as speech.
SAID_S = 10  # Seconds of sound of each session; they take two.
WHILE_ALL_SPEAK_S = 1.2  # Seconds behind the last begin at which none of the sessions has ended yet.


def sound(seed: int, seconds: int) -> bytes:
    return random.Random(seed).randbytes(seconds * 32_000)


def recorded(recordings: Recordings, session_id: str) -> bytes:
    with recordings.open_audio(session_id) as file, wave.open(file) as audio:
        return bytes(audio.readframes(audio.getnframes()))


async def joined(recordings: Recordings, session_id: str) -> bytes:
    """The recording, once it is there."""

    async def is_there() -> bool:
        try:
            recordings.open_audio(session_id).close()
            return "audio" in recordings.read_transcript(session_id)
        except (NoRecording, RecordingNotReady):
            return False

    await until(is_there)
    return recorded(recordings, session_id)


async def end(me: Client) -> list[dict[str, object]]:
    await me.send({"type": "end"})
    return await me.rest()


def test_a_session_is_kept_as_it_was_heard(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        said, recordings = sound(1, 4), Recordings(str(tmp_path))
        with gateway_process(shared_redis.url, resume_window="20", data_dir=str(tmp_path)) as gateway:
            async with (
                fake_worker(shared_redis.url, recorder) as worker,
                client(gateway, "store=true") as first,
            ):
                await begun(first)
                await first.send(said[:32_001])
                assert await finals(first, 1) == ["w1"]
                token = await lost(first)
                await asyncio.sleep(0.3)  # Away: no sample of that is in the recording.
                me, _ = await back(gateway, token)
                await me.send(said[32_000:64_000])
                lose(worker, None)
                await me.send(said[64_000:])
                await me.event("warning")
                await end(me)
                assert await joined(recordings, me.session_id) == said
                kept = recordings.read_transcript(me.session_id)
                assert kept["transcript"].startswith("w1 w2")
                assert kept["audio"]["missing"] == []
                kinds = [event["type"] for event in kept["events"]]
                assert kinds[0] == "session.begin"
                assert {"session.resumed", "warning", "session.end"} <= set(kinds)
                assert [path.name for path in (tmp_path / "sessions").iterdir()] == [me.session_id]

    run(main())


def test_a_session_that_did_not_ask_is_not_kept(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
            async with fake_worker(shared_redis.url, recorder), client(gateway) as me:
                await begun(me)
                await me.send(bytes(32_000))
                await end(me)
        assert not (tmp_path / "sessions").exists()

    run(main())


async def back(gateway: GatewayProcess, token: str) -> tuple[Client, int]:
    """Come back, and read what was missed; how many bytes of audio the server has."""
    connection = await connect(gateway.url(f"resume={token}"), proxy=None, compression=None)
    me = Client(connection, int(token.split(":")[1]))
    me.session_id = token.split(":", maxsplit=1)[0]
    resumed = await me.event("session.resumed")
    return me, round(resumed["audio_received"] * 16_000) * 2


class ReturningClient:
    """A client that sends noise at its pace, comes back to whichever gateway lives, and ends."""

    def __init__(self, number: int, gateways: list[GatewayProcess]) -> None:
        self.said, self.gateways, self.session_id = sound(number, SAID_S), gateways, ""
        self.begun = asyncio.Event()
        self._seq = 0

    async def speak(self) -> None:
        me, at = await self._connect(), 0
        while True:
            try:
                while at < len(self.said):
                    await me.send(self.said[at : at + CHUNK])
                    at += CHUNK
                    await asyncio.sleep(PACE_S)
                await me.send({"type": "end"})
                await me.event("session.end")
                return
            except (WebSocketException, OSError):
                me, at = await self._return(me)

    async def _connect(self) -> Client:
        connection = await connect(self.gateways[0].url("store=true"), proxy=None, compression=None)
        me = Client(connection)
        await begun(me)
        self.session_id = me.session_id
        self.begun.set()
        return me

    async def _return(self, me: Client) -> tuple[Client, int]:
        while True:
            try:
                return await back(self.gateways[-1], f"{me.session_id}:{me.seq}")
            except (WebSocketException, OSError, AssertionError):
                await asyncio.sleep(0.05)


@pytest.mark.skipif("RECORDING_KILLS" not in os.environ, reason="takes minutes: make kills")
@pytest.mark.timeout(300 + 20 * KILLS)
def test_a_gateway_is_killed_at_any_moment_and_no_sample_is_lost_or_doubled(
    shared_redis: RedisServer, tmp_path: Path
) -> None:
    moments = random.Random(14)

    async def once(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        recordings = Recordings(str(folder))
        async with AsyncExitStack() as stack:
            processes = [
                stack.enter_context(
                    gateway_process(shared_redis.url, resume_window="20", data_dir=str(folder))
                )
                for _ in range(2)
            ]
            speakers = [ReturningClient(10 * number + each, list(processes)) for each in range(4)]
            speaking = [asyncio.create_task(each.speak()) for each in speakers]
            await asyncio.gather(*(each.begun.wait() for each in speakers))
            await asyncio.sleep(moments.uniform(0.0, WHILE_ALL_SPEAK_S))
            processes[0].process.send(signal.SIGKILL)
            await asyncio.gather(*speaking)
            for speaker in speakers:
                assert await joined(recordings, speaker.session_id) == speaker.said
                assert recordings.read_transcript(speaker.session_id)["audio"]["missing"] == []

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder, capacity=64):
            for number in range(KILLS):
                await once(number)

    run(main(), 20 + 20 * KILLS)


def test_a_full_disk_costs_the_recording_alone(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        recordings = Recordings(str(tmp_path))
        with gateway_process(shared_redis.url, resume_window="20", data_dir=str(tmp_path)) as gateway:
            limit_files(gateway, 100_000)
            async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
                await begun(me)
                for _ in range(5):
                    await me.send(bytes(32_000))
                warning = await me.event("warning")
                assert warning["code"] == "recording_incomplete"
                assert os.strerror(27) in warning["message"]
                limit_files(gateway, -1)
                await me.send(bytes(32_000))
                assert (await end(me))[-1]["type"] == "session.end"
                assert len(await joined(recordings, me.session_id)) == 6 * 32_000
                kept = recordings.read_transcript(me.session_id)
                assert kept["audio"]["missing"]
                assert "recording_incomplete" in json.dumps(kept["events"])

    run(main())


def limit_files(gateway: GatewayProcess, size: int) -> None:
    """No file of the gateway may grow beyond this size, as on a disk that is full; -1: any may."""
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, -1))
