"""Plays scenes through a speech-to-text service of Pipecat, in a pipeline without a transport."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.elevenlabs.stt import ElevenLabsRealtimeSTTService
from pipecat.services.nvidia.stt import NvidiaSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.workers.runner import WorkerRunner

from tests.dialects.clients.scene import QUIET_S, ClientHeard, Scene, main

SETTLE_S = 0.5  # Seconds in which the service is configured; it connects before the pipeline starts.


def openai_service(scene: Scene) -> Any:
    """The service for OpenAI; Pipecat's voice detection says where turns end."""
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-transcribe")
    base = f"{scene.ws}/v1/realtime"
    return OpenAIRealtimeSTTService(api_key=scene.key, base_url=base, turn_detection=False, settings=settings)


def deepgram_service(scene: Scene) -> Any:
    """The service for Deepgram."""
    return DeepgramSTTService(api_key=scene.key, base_url=scene.ws)


def flux_service(scene: Scene) -> Any:
    """The service for Deepgram's Flux."""
    return DeepgramFluxSTTService(api_key=scene.key, url=f"{scene.ws}/v2/listen")


def elevenlabs_service(scene: Scene) -> Any:
    """The service for ElevenLabs, which always wants TLS; its voice detection says where turns end."""
    return ElevenLabsRealtimeSTTService(api_key=scene.key, base_url=scene.url.partition("//")[2])


def nvidia_service(scene: Scene) -> Any:
    """The service for Riva."""
    model = {"function_id": "", "model_name": "fast"}
    return NvidiaSTTService(api_key=scene.key, server=scene.url, use_ssl=False, model_function_map=model)


class FrameTap(FrameProcessor):  # type: ignore[misc]
    """Notes what comes by."""

    def __init__(self, heard: ClientHeard) -> None:
        super().__init__()
        self.heard, self.news, self.errors = heard, asyncio.Event(), list[str]()

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Pass a frame on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self.heard.final(frame.text)
            self.news.set()
        elif isinstance(frame, ErrorFrame):
            self.errors.append(frame.error)
        await self.push_frame(frame, direction)


async def play(make: Callable[[Scene], Any], scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    before, behind = FrameTap(heard), FrameTap(heard)  # Errors go up, finals down.
    worker = PipelineWorker(
        Pipeline([before, make(scene), behind]),
        params=PipelineParams(audio_in_sample_rate=scene.rate),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(SETTLE_S)
    speaks = False
    async for chunk in scene.paced():
        if not speaks:
            await worker.queue_frame(VADUserStartedSpeakingFrame())
            speaks = True
        await worker.queue_frame(InputAudioRawFrame(audio=chunk, sample_rate=scene.rate, num_channels=1))
    await worker.queue_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
    try:
        while True:
            behind.news.clear()
            await asyncio.wait_for(behind.news.wait(), QUIET_S)
    except TimeoutError:
        await worker.queue_frame(EndFrame())
    await running
    assert not before.errors + behind.errors, before.errors + behind.errors


def run(make: Callable[[Scene], Any]) -> None:
    """Play the scenes of the command line with the service that `make` makes."""
    main(partial(play, make))
