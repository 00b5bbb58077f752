"""Plays scenes through the realtime client of the package openai, in the form of its beta."""

from functools import partial
from typing import Any

from tests.dialects.clients.openai_realtime import client_of, play, turns_of, words_of
from tests.dialects.clients.scene import Scene, main

FORMATS = {"mulaw": "g711_ulaw", "pcm": "pcm16"}


def connect(scene: Scene) -> Any:
    """A connection of the beta's client."""
    return client_of(scene).beta.realtime.connect(model="fast", extra_query={"intent": "transcription"})


async def update(connection: Any, scene: Scene) -> None:
    """Say what the scene needs, in the flat form."""
    session: dict[str, Any] = {
        "input_audio_format": FORMATS[scene.encoding],
        "input_audio_transcription": words_of(scene),
    }
    session |= {"turn_detection": turns_of(scene)}
    if scene.flags:
        session |= {"input_audio_noise_reduction": {"type": "near_field"}, "no_such_field": 1}
    await connection.transcription_session.update(session=session)


if __name__ == "__main__":
    main(partial(play, connect=connect, update=update))
