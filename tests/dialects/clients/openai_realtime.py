"""Plays scenes through the realtime client of the package openai, in the form of today."""

import asyncio
import base64
from typing import Any

import openai

from tests.dialects.clients.scene import QUIET_S, ClientHeard, Scene, main

ITEM = "conversation.item.input_audio_transcription."


def connect(scene: Scene) -> Any:
    """A connection of today's client."""
    return client_of(scene).realtime.connect(extra_query={"intent": "transcription"})


def client_of(scene: Scene) -> openai.AsyncOpenAI:
    """The client for a scene."""
    return openai.AsyncOpenAI(
        api_key=scene.key, base_url=f"{scene.url}/v1", websocket_base_url=f"{scene.ws}/v1", max_retries=0
    )


def words_of(scene: Scene) -> dict[str, Any]:
    """The model and the language."""
    return {"model": "fast", "language": "en", **({"prompt": "Elinor"} if scene.flags else {})}


def turns_of(scene: Scene) -> dict[str, Any] | None:
    """Who says where a turn ends."""
    return None if scene.manual else {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500}


async def update(connection: Any, scene: Scene) -> None:
    """Say what the scene needs."""
    is_mulaw = scene.encoding == "mulaw"
    form = {"type": "audio/pcmu"} if is_mulaw else {"type": "audio/pcm", "rate": scene.rate}
    audio: dict[str, Any] = {
        "format": form,
        "transcription": words_of(scene),
        "turn_detection": turns_of(scene),
    }
    if scene.flags:
        audio |= {"noise_reduction": {"type": "near_field"}, "no_such_field": 1}
    await connection.session.update(session={"type": "transcription", "audio": {"input": audio}})


async def send(connection: Any, scene: Scene) -> None:
    """Send the audio, and commit at the end if the scene says so."""
    async for chunk in scene.paced():
        await connection.input_audio_buffer.append(audio=base64.b64encode(chunk).decode())
    if scene.flush:
        await connection.input_audio_buffer.commit()


class Items:
    """The items of a connection, and the deltas of each."""

    def __init__(self, heard: ClientHeard) -> None:
        self._heard, self._deltas = heard, dict[str, str]()
        self.open: set[str] = set()
        self.sent = self.answered = False

    def take(self, event: Any) -> None:
        """An event of the server."""
        if event.type == "error":
            raise AssertionError(event.error)
        if event.type == "input_audio_buffer.committed":
            self.open.add(event.item_id)
            self.answered = self.sent
        elif event.type == f"{ITEM}delta":
            self._deltas[event.item_id] = self._deltas.get(event.item_id, "") + event.delta
        elif event.type == f"{ITEM}completed":
            self.open.remove(event.item_id)
            assert self._deltas.get(event.item_id, "") == event.transcript
            self._heard.final(event.transcript)
            self._heard.answers += self.sent


async def play(scene: Scene, heard: ClientHeard, connect: Any = connect, update: Any = update) -> None:
    """Play one scene."""
    items = Items(heard)
    async with connect(scene) as connection:
        created = await connection.recv()
        assert created.type.endswith("session.created"), created
        await update(connection, scene)
        sending = asyncio.create_task(send(connection, scene))
        sending.add_done_callback(lambda _: setattr(items, "sent", True))
        while True:
            if scene.manual and items.answered and not items.open:
                break
            quiet = QUIET_S if sending.done() else None
            try:
                items.take(await asyncio.wait_for(connection.recv(), quiet))
            except TimeoutError:
                assert items.answered or not scene.flush, "a commit was not answered"
                break
        await sending


if __name__ == "__main__":
    main(play)
