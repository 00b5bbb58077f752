"""Plays scenes through the client of the package openai for files: a file is sent as a whole."""

import io
import wave
from pathlib import Path
from typing import Any

from tests.dialects.clients.openai_realtime import client_of
from tests.dialects.clients.scene import ClientHeard, Scene, main

LONGEST_S = 80.0  # Seconds for one file, on a busy machine.


def wav_of(scene: Scene) -> io.BytesIO:
    """The recording of a scene as a WAV file of 16 bit."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, scene.rate, 0, "NONE", "none"))
        wav.writeframes(Path(scene.audio).read_bytes())
    file.seek(0)
    file.name = "talk.wav"
    return file


async def ask(scene: Scene, **more: Any) -> Any:
    """Send the file of a scene; the answer."""
    files: Any = client_of(scene).with_options(timeout=LONGEST_S).audio.transcriptions
    flags: dict[str, Any] = {"prompt": "Elinor", "temperature": 0.5} if scene.flags else {}
    return await files.create(model="whisper-1", language="en", file=wav_of(scene), **flags, **more)


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    heard.final((await ask(scene)).text)
    heard.answers += 1


if __name__ == "__main__":
    main(play)
