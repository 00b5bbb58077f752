"""Plays scenes through LiveKit's plugin `flux`."""

from tests.dialects.clients.livekit_agents import flux_plugin, run

if __name__ == "__main__":
    run(flux_plugin)
