"""Plays scenes as Twilio sends a call, and reads the finals that come back where a call asks for them."""

import asyncio
import base64
import json
from typing import Any

import websockets

from tests.dialects.clients.scene import ClientHeard, Scene, main

SID = "MZ" + "0" * 32
FORMATS = {"mulaw": "audio/x-mulaw", "pcm": "audio/x-l16"}


def _start(scene: Scene) -> dict[str, Any]:
    custom = {"token": scene.key, "language": "en", "events": "socket", "min_silence_ms": "500"}
    return {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": SID,
        "start": {
            "streamSid": SID,
            "accountSid": "AC" + "0" * 32,
            "callSid": "CA" + "0" * 32,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": FORMATS[scene.encoding], "sampleRate": scene.rate, "channels": 1},
            "customParameters": custom | ({"colour": "blue"} if scene.flags else {}),
        },
    }


async def _send(connection: Any, scene: Scene) -> None:
    await connection.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
    await connection.send(json.dumps(_start(scene)))
    async for chunk in scene.paced():
        media = {"track": "inbound", "payload": base64.b64encode(chunk).decode()}
        await connection.send(json.dumps({"event": "media", "streamSid": SID, "media": media}))
    await connection.send(json.dumps({"event": "stop", "streamSid": SID, "stop": {}}))


async def play(scene: Scene, heard: ClientHeard) -> None:
    """Play one scene."""
    async with websockets.connect(f"{scene.ws}/v1/twilio/media", proxy=None) as connection:
        sending = asyncio.create_task(_send(connection, scene))
        async for message in connection:
            event = json.loads(message)
            assert event["event"] == "transcript", event
            heard.final(event["text"])
        sending.cancel()
    assert connection.close_code == 1000, (connection.close_code, connection.close_reason)
    heard.answers += 1


if __name__ == "__main__":
    main(play)
