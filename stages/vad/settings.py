"""Holds the settings that the VAD stage reads."""

from pydantic import Field

from runtime.worker_link import MAX_UTTERANCE_S
from stages.settings import WorkerSettings


class VadSettings(WorkerSettings):
    """What the VAD stage reads."""

    max_utterance: float = Field(
        12.0,
        ge=3,
        le=MAX_UTTERANCE_S,
        description="seconds before which an utterance is cut at its quietest point",
    )
