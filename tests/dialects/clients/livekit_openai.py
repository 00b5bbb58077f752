"""Plays scenes through LiveKit's plugin `openai`."""

from tests.dialects.clients.livekit_agents import openai_plugin, run

if __name__ == "__main__":
    run(openai_plugin)
