"""Plays scenes through Pipecat's service for `deepgram`."""

from tests.dialects.clients.pipecat_pipeline import deepgram_service, run

if __name__ == "__main__":
    run(deepgram_service)
