"""Plays scenes through the live client of deepgram-sdk, version 1 of its protocol."""

import asyncio
from typing import Any

from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment

from tests.dialects.clients.scene import ClientHeard, Scene, main

KEEP_ALIVE_S = 3.0


def client_of(scene: Scene) -> Any:
    """The client for a scene."""
    here = DeepgramClientEnvironment(
        base=scene.url, production=scene.ws, agent=scene.ws, agent_rest=scene.url
    )
    return AsyncDeepgramClient(api_key=scene.key, environment=here)


async def _keep_alive(connection: Any) -> None:
    while True:
        await connection.send_keep_alive()
        await asyncio.sleep(KEEP_ALIVE_S)


async def _send(connection: Any, scene: Scene) -> None:
    keeping = asyncio.create_task(_keep_alive(connection))
    async for chunk in scene.paced():
        await connection.send_media(chunk)
    keeping.cancel()
    if scene.flush:
        await connection.send_finalize()
    await connection.send_close_stream()


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    ignored = {"diarize": True, "numerals": True} if scene.flags else {}
    kinds = []
    async with client_of(scene).listen.v1.connect(
        model="fast",
        language="en-US",
        encoding="mulaw" if scene.encoding == "mulaw" else "linear16",
        sample_rate=scene.rate,
        punctuate=True,
        interim_results=True,
        endpointing=500,
        **ignored,
    ) as connection:
        sending = asyncio.create_task(_send(connection, scene))
        async for message in connection:
            kinds.append(message.type)
            if message.type == "Results" and message.is_final:
                heard.final(message.channel.alternatives[0].transcript)
                heard.answers += bool(message.from_finalize)
        await sending
    assert kinds[-1] == "Metadata", kinds[-1]


if __name__ == "__main__":
    main(play)
