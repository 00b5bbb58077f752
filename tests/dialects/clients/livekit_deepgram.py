"""Plays scenes through LiveKit's plugin `deepgram`."""

from tests.dialects.clients.livekit_agents import deepgram_plugin, run

if __name__ == "__main__":
    run(deepgram_plugin)
