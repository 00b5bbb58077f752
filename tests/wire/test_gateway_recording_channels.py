"""What a real gateway records of a client with two channels: as the models hear it, mixed or apart."""

import wave
from pathlib import Path

import numpy as np
import pytest

from runtime.audio.audio_input import AudioInput
from storage.recordings import NoRecording, RecordingNotReady, Recordings
from tests.support.fake_worker import WorkerVisit, fake_worker, read_message
from tests.support.gateway_process import client, gateway_process, run, until
from tests.support.gateway_sessions import begun
from tests.support.redis_fixture import RedisServer

RATE, CHANNELS = 8_000, 2
SAID = np.random.default_rng(2).integers(-20_000, 20_000, (3 * RATE, CHANNELS)).astype("<i2")


async def listener(visit: WorkerVisit) -> None:
    """Takes everything, and ends."""
    await visit.begin()
    async for frame in visit.connection:
        if isinstance(frame, str) and read_message(frame).get("type") == "end":
            await visit.event("session.end", transcript="", audio_duration=3.0, speech_duration=0.0)
            await visit.connection.close(1000)
            return


def heard(samples: np.ndarray, channels: int) -> bytes:
    """The same at 16 kHz, as the models hear it."""
    alone = AudioInput("pcm_s16le", RATE, channels)
    return alone.decode_bytes(samples.tobytes()) + alone.drain()


async def recorded(recordings: Recordings, session_id: str) -> tuple[int, bytes]:
    """The channels and the samples of a session, once it is joined."""

    async def is_there() -> bool:
        try:
            return "audio" in recordings.read_transcript(session_id)
        except (NoRecording, RecordingNotReady):
            return False

    await until(is_there, 30)
    with recordings.open_audio(session_id) as file, wave.open(file) as audio:
        assert audio.getframerate() == 16_000
        return audio.getnchannels(), audio.readframes(audio.getnframes())


@pytest.mark.parametrize("mode", ["mix", "separate"])
def test_each_channel_is_recorded_as_the_models_hear_it(
    shared_redis: RedisServer, tmp_path: Path, mode: str
) -> None:
    query = f"store=true&sample_rate={RATE}&channels={CHANNELS}&channel_mode={mode}"

    async def main() -> tuple[int, bytes]:
        async with fake_worker(shared_redis.url, listener), client(gateway, query) as me:
            await begun(me)
            for at in range(0, len(SAID), 1_000):
                await me.send(SAID[at : at + 1_000].tobytes())
            await me.send({"type": "end"})
            await me.rest()
            return await recorded(Recordings(str(tmp_path)), me.session_id)

    with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
        channels, samples = run(main(), 60)
    if mode == "mix":
        assert (channels, samples) == (1, heard(SAID, CHANNELS))
    else:
        assert channels == CHANNELS
        apart = np.frombuffer(samples, "<i2").reshape(-1, CHANNELS)
        assert [apart[:, each].tobytes() for each in range(CHANNELS)] == [
            heard(SAID[:, each], 1) for each in range(CHANNELS)
        ]
