"""Plays scenes through LiveKit's plugin `elevenlabs`."""

from tests.dialects.clients.livekit_agents import elevenlabs_plugin, run

if __name__ == "__main__":
    run(elevenlabs_plugin)
