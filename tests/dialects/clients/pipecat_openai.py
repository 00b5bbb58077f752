"""Plays scenes through Pipecat's service for `openai`."""

from tests.dialects.clients.pipecat_pipeline import openai_service, run

if __name__ == "__main__":
    run(openai_service)
