"""Plays scenes through the client of the package openai for files, which reads the answer as events."""

from tests.dialects.clients.openai_rest import ask
from tests.dialects.clients.scene import ClientHeard, Scene, main


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    deltas = ""
    async for event in await ask(scene, stream=True):
        if event.type == "transcript.text.delta":
            deltas += event.delta
        elif event.type == "transcript.text.done":
            assert deltas.strip() == event.text, deltas
            heard.final(event.text)
            heard.answers += 1


if __name__ == "__main__":
    main(play)
