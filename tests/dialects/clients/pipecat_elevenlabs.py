"""Plays scenes through Pipecat's service for `elevenlabs`."""

from tests.dialects.clients.pipecat_pipeline import elevenlabs_service, run

if __name__ == "__main__":
    run(elevenlabs_service)
