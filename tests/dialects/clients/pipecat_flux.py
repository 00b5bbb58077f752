"""Plays scenes through Pipecat's service for `flux`."""

from tests.dialects.clients.pipecat_pipeline import flux_service, run

if __name__ == "__main__":
    run(flux_service)
