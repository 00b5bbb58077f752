"""Plays scenes through a speech-to-text plugin of LiveKit Agents, without a room."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectOptions, utils
from livekit.agents.stt import SpeechEventType
from livekit.plugins import deepgram, elevenlabs, nvidia, openai

from tests.dialects.clients.scene import QUIET_S, ClientHeard, Scene, main


def openai_plugin(scene: Scene) -> Any:
    """The plugin for OpenAI."""
    turns = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 600, "silence_duration_ms": 500}
    return openai.STT(
        model="gpt-4o-transcribe",
        use_realtime=True,
        base_url=f"{scene.url}/v1",
        api_key=scene.key,
        language="en",
        turn_detection=turns,
    )


def deepgram_plugin(scene: Scene) -> Any:
    """The plugin for Deepgram."""
    base = f"{scene.url}/v1/listen"
    return deepgram.STT(base_url=base, api_key=scene.key, language="en-US", endpointing_ms=500)


def flux_plugin(scene: Scene) -> Any:
    """The plugin for Deepgram's Flux."""
    return deepgram.STTv2(
        model="flux-general-en", base_url=f"{scene.ws}/v2/listen", api_key=scene.key, eot_threshold=0.6
    )


def elevenlabs_plugin(scene: Scene) -> Any:
    """The plugin for ElevenLabs; its default model is the one for files."""
    vad = {"vad_silence_threshold_secs": 0.5}
    return elevenlabs.STT(
        model="scribe_v2_realtime",
        base_url=f"{scene.url}/v1",
        api_key=scene.key,
        language_code="en",
        server_vad=vad,
    )


def nvidia_plugin(scene: Scene) -> Any:
    """The plugin for Riva."""
    return nvidia.STT(server=scene.url, use_ssl=False, api_key=scene.key, language_code="en-US")


async def _send(stream: Any, scene: Scene) -> None:
    async for chunk in scene.paced():
        stream.push_frame(rtc.AudioFrame(chunk, scene.rate, 1, len(chunk) // 2))
    stream.end_input()


async def _read(stream: Any, heard: ClientHeard, news: asyncio.Event) -> None:
    async for event in stream:
        news.set()
        if event.type == SpeechEventType.FINAL_TRANSCRIPT:
            heard.final(event.alternatives[0].text)


async def play(make: Callable[[Scene], Any], scene: Scene, heard: ClientHeard) -> None:
    """Play one scene; a stream that fails is not tried again."""
    stt, news = make(scene), asyncio.Event()
    stream = stt.stream(conn_options=APIConnectOptions(max_retry=0))
    reading = asyncio.create_task(_read(stream, heard, news))
    with suppress(RuntimeError):  # The stream has failed, and says why where it is read.
        await _send(stream, scene)
    while not reading.done():
        news.clear()
        try:
            await asyncio.wait_for(news.wait(), QUIET_S)
        except TimeoutError:
            break
    if reading.done():
        reading.result()  # Raises what the plugin took for the end.
    reading.cancel()
    await stream.aclose()
    await stt.aclose()


async def in_context(make: Callable[[Scene], Any], scene: Scene, heard: ClientHeard) -> None:
    """Play one scene with the HTTP session that plugins expect."""
    async with utils.http_context.open():
        await play(make, scene, heard)


def run(make: Callable[[Scene], Any]) -> None:
    """Play the scenes of the command line with the plugin that `make` makes."""
    main(partial(in_context, make))
