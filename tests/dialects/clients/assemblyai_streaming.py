"""Plays scenes through the streaming client of the package assemblyai, which blocks, so each has a thread."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from assemblyai.streaming.v3 import (
    StreamingClient,
    StreamingClientOptions,
    StreamingEvents,
    StreamingParameters,
)

from tests.dialects.clients.scene import CHUNK_S, ClientHeard, Scene, main

CONNECT_S = 20.0  # Seconds, on a busy machine; the client's own second is for an idle one.
END_S = 60.0  # Seconds until `Termination`.


def _paced(scene: Scene) -> Iterator[bytes]:
    for chunk in scene.chunks():
        yield chunk
        time.sleep(CHUNK_S / scene.pace)


def _play(scene: Scene, heard: ClientHeard) -> None:
    errors: list[Any] = []

    def on_turn(_client: Any, event: Any) -> None:
        if event.end_of_turn:
            heard.final(event.transcript)

    def on_termination(_client: Any, _event: Any) -> None:
        heard.answers += 1

    options = StreamingClientOptions(
        api_key=scene.key, api_host=scene.ws, connect_timeout=CONNECT_S, terminate_timeout=END_S
    )
    client = StreamingClient(options)
    client.on(StreamingEvents.Turn, on_turn)
    client.on(StreamingEvents.Termination, on_termination)
    client.on(StreamingEvents.Error, lambda _client, error: errors.append(error))
    flags = {"filter_profanity": True} if scene.flags else {}
    encoding = "pcm_mulaw" if scene.encoding == "mulaw" else "pcm_s16le"
    asked = {"sample_rate": scene.rate, "encoding": encoding, "min_turn_silence": 500, **flags}
    client.connect(StreamingParameters(**asked))
    if not errors:
        client.stream(_paced(scene))
    client.disconnect(terminate=True)
    if errors:
        raise AssertionError(errors)


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    await asyncio.to_thread(_play, scene, heard)


if __name__ == "__main__":
    main(play)
