"""Plays scenes through Pipecat's service for `nvidia`."""

from tests.dialects.clients.pipecat_pipeline import nvidia_service, run

if __name__ == "__main__":
    run(nvidia_service)
