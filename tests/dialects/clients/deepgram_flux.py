"""Plays scenes through the client of deepgram-sdk for turns, version 2 of its protocol."""

import asyncio
from typing import Any

from tests.dialects.clients.deepgram_live import client_of
from tests.dialects.clients.scene import ClientHeard, Scene, main


async def _send(connection: Any, scene: Scene) -> None:
    async for chunk in scene.paced():
        await connection.send_media(chunk)
    if scene.flush:
        await connection.send_force_end_turn()
    await connection.send_close_stream()


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    asked: dict[str, Any] = {"encoding": "mulaw" if scene.encoding == "mulaw" else "linear16"}
    if scene.flags:
        asked |= {"numerals": True, "tag": "test"}
    async with client_of(scene).listen.v2.connect(
        model="fast", sample_rate=scene.rate, eot_threshold=0.6, language_hint="en", **asked
    ) as connection:
        assert (await connection.recv()).type == "Connected"
        sending = asyncio.create_task(_send(connection, scene))
        async for message in connection:
            assert message.type != "Error", message
            if message.type == "TurnInfo" and message.event == "EndOfTurn":
                heard.final(message.transcript)
        await sending


if __name__ == "__main__":
    main(play)
