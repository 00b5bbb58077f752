"""Plays scenes through the package nvidia-riva-client, which blocks: each scene has a thread."""

import asyncio
import time
from collections.abc import Iterator

import riva.client

from tests.dialects.clients.scene import CHUNK_S, ClientHeard, Scene, main


def _paced(scene: Scene) -> Iterator[bytes]:
    for chunk in scene.chunks():
        yield chunk
        time.sleep(CHUNK_S / scene.pace)


def _play(scene: Scene, heard: ClientHeard) -> None:
    encodings = riva.client.AudioEncoding
    key = [["authorization", f"Bearer {scene.key}"]]
    service = riva.client.ASRService(riva.client.Auth(uri=scene.url, use_ssl=False, metadata_args=key))
    config = riva.client.RecognitionConfig(
        encoding=encodings.MULAW if scene.encoding == "mulaw" else encodings.LINEAR_PCM,
        sample_rate_hertz=scene.rate,
        language_code="en-US",
        max_alternatives=1,
        audio_channel_count=1,
        profanity_filter=scene.flags,
        endpointing_config=riva.client.proto.riva_asr_pb2.EndpointingConfig(stop_history=500),
    )
    asked = riva.client.StreamingRecognitionConfig(config=config, interim_results=True)
    for response in service.streaming_response_generator(_paced(scene), asked):
        for result in response.results:
            if result.is_final:
                assert result.alternatives[0].transcript.endswith(" ")
                heard.final(result.alternatives[0].transcript)
    heard.answers += 1  # The stream has ended well.


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    await asyncio.to_thread(_play, scene, heard)


if __name__ == "__main__":
    main(play)
