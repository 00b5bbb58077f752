"""Plays scenes through the realtime client of the package elevenlabs."""

import asyncio
import base64
from typing import Any

from elevenlabs import AsyncElevenLabs, AudioFormat, CommitStrategy, RealtimeEvents

from tests.dialects.clients.scene import QUIET_S, ClientHeard, Scene, main

KEEP_ALIVE_S = 5.0


async def _send(connection: Any, scene: Scene) -> None:
    keeping = asyncio.create_task(_keep_alive(connection))
    async for chunk in scene.paced():
        await connection.send({"audio_base_64": base64.b64encode(chunk).decode()})
    keeping.cancel()
    await connection.commit()


async def _keep_alive(connection: Any) -> None:
    while True:
        await asyncio.sleep(KEEP_ALIVE_S)
        await connection.send({"audio_base_64": ""})


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    is_mulaw, news = scene.encoding == "mulaw", asyncio.Queue[tuple[Any, Any]]()
    connection = await AsyncElevenLabs(api_key=scene.key, base_url=scene.url).speech_to_text.realtime.connect(
        {
            "model_id": "fast",
            "audio_format": AudioFormat("ulaw_8000" if is_mulaw else f"pcm_{scene.rate}"),
            "sample_rate": scene.rate,
            "language_code": "en",
            "commit_strategy": CommitStrategy.MANUAL if scene.manual else CommitStrategy.VAD,
            "vad_silence_threshold_secs": 0.5,
            **({"min_speech_duration_ms": 50} if scene.flags else {}),
        }
    )
    for event in (RealtimeEvents.COMMITTED_TRANSCRIPT, RealtimeEvents.SESSION_STARTED, RealtimeEvents.ERROR):
        connection.on(event, lambda data, event=event: news.put_nowait((event, data)))
    assert (await news.get())[0] == RealtimeEvents.SESSION_STARTED
    sending = asyncio.create_task(_send(connection, scene))
    while True:
        try:
            event, data = await asyncio.wait_for(news.get(), QUIET_S if heard.answers else None)
        except TimeoutError:
            break
        assert event == RealtimeEvents.COMMITTED_TRANSCRIPT, data
        heard.final(data["text"])
        heard.answers += sending.done()
    assert heard.answers, "the commit was not answered"
    await connection.close()


if __name__ == "__main__":
    main(play)
