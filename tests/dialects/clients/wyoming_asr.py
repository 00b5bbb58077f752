"""Plays scenes through the package wyoming, in the order in which Home Assistant does it."""

import asyncio

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.info import Describe, Info

from tests.dialects.clients.scene import ClientHeard, Scene, main

INFO_S = 10.0  # Seconds for the answer to `describe`; Home Assistant gives it one, on a machine of its own.


async def describe(url: str) -> None:
    """Ask what the server is, on a connection that is for nothing else."""
    async with AsyncClient.from_uri(url) as client:
        await client.write_event(Describe().event())
        event = await asyncio.wait_for(client.read_event(), INFO_S)
        assert event is not None
        program = Info.from_event(event).asr[0]
        assert program.installed
        assert any(model.installed and model.languages for model in program.models), program


async def _send(client: AsyncClient, scene: Scene) -> None:
    form = {"rate": scene.rate, "width": 2, "channels": 1}
    await client.write_event(AudioStart(**form).event())
    async for chunk in scene.paced():
        await client.write_event(AudioChunk(**form, audio=chunk).event())
    await client.write_event(AudioStop().event())


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    await describe(scene.url)
    async with AsyncClient.from_uri(scene.url) as client:
        context = {"of": "nobody"} if scene.flags else None
        await client.write_event(Transcribe(language="en", context=context).event())
        sending = asyncio.create_task(_send(client, scene))
        while event := await client.read_event():
            assert not Error.is_type(event.type), Error.from_event(event)
            if Transcript.is_type(event.type):
                heard.final(Transcript.from_event(event).text)
                heard.answers += sending.done()
                break
        await sending
    assert heard.answers, "there was no transcript behind the audio"


if __name__ == "__main__":
    main(play)
