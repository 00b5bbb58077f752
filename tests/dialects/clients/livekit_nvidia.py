"""Plays scenes through LiveKit's plugin `nvidia`."""

from tests.dialects.clients.livekit_agents import nvidia_plugin, run

if __name__ == "__main__":
    run(nvidia_plugin)
