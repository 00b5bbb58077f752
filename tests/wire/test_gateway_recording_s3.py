"""Real gateways whose recordings go to S3: it is away while a session runs, and a gateway is killed."""

import random
import signal
import wave
from pathlib import Path

from storage.recordings import NoRecording, RecordingNotReady, Recordings, StorageUnavailable
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import Client, client, gateway_process, run, until
from tests.support.gateway_sessions import begun, recorder
from tests.support.redis_fixture import RedisServer
from tests.support.s3_server import MotoServer, bucket_url

SAID = random.Random(3).randbytes(26 * 32_000)
FIRST, SECOND, LAST = SAID[: 12 * 32_000], SAID[12 * 32_000 : 24 * 32_000], SAID[24 * 32_000 :]
JOINED_S = 60  # Seconds until a recording is joined, on a machine that is busy.


async def speak(me: Client, audio: bytes) -> None:
    """Send audio, a second in a frame."""
    for at in range(0, len(audio), 32_000):
        await me.send(audio[at : at + 32_000])


async def joined(recordings: Recordings, session_id: str, missing: list[object]) -> bytes:
    """The recording, once it is joined and lacks nothing else."""

    async def is_there() -> bool:
        try:
            return bool(recordings.read_transcript(session_id)["audio"]["missing"] == missing)
        except (NoRecording, RecordingNotReady, StorageUnavailable, KeyError):
            return False

    await until(is_there, JOINED_S)
    with recordings.open_audio(session_id) as file, wave.open(file) as audio:
        return bytes(audio.readframes(audio.getnframes()))


async def uploaded(recordings: Recordings, session_id: str) -> None:
    """Wait until a part of a session that runs is in the store."""

    async def is_there() -> bool:
        return bool(recordings.store.sizes(f"parts/{session_id}"))

    await until(is_there, JOINED_S)


def test_a_store_that_is_away_while_a_session_runs_gets_all_of_it_later(
    shared_redis: RedisServer, s3: MotoServer, tmp_path: Path
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
            await begun(me)
            await speak(me, FIRST)
            await uploaded(recordings, me.session_id)
            s3.stop()
            await speak(me, SECOND)
            gateway.process.line("uploads wait", deadline_s=JOINED_S)
            s3.start()
            await speak(me, LAST)
            await me.send({"type": "end"})
            events = await me.rest()
            assert events[-1]["type"] == "session.end"
            assert [event for event in events if event["type"] == "warning"] == []
        assert await joined(recordings, me.session_id, []) == SAID

    recordings = Recordings(bucket_url(tmp_path))
    settings = {"data_dir": str(tmp_path), "recordings_url": bucket_url(tmp_path)}
    with gateway_process(shared_redis.url, **settings) as gateway:
        run(main(), 3 * JOINED_S)


def test_what_a_killed_gateway_had_not_uploaded_comes_from_its_disk(
    shared_redis: RedisServer, s3: MotoServer, tmp_path: Path
) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(first, "store=true") as me:
            await begun(me)
            await speak(me, FIRST)
            await uploaded(recordings, me.session_id)
            await me.send({"type": "end"})
            await me.event("session.end")
            first.process.send(signal.SIGKILL)
        assert await joined(recordings, me.session_id, []) == FIRST

    recordings = Recordings(bucket_url(tmp_path))
    settings = {"data_dir": str(tmp_path), "recordings_url": bucket_url(tmp_path), "gateway_timeout": "2"}
    with (
        gateway_process(shared_redis.url, **settings) as first,
        gateway_process(shared_redis.url, **settings),
    ):
        run(main(), 3 * JOINED_S)
