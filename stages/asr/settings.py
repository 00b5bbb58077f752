"""Holds the settings that the ASR stage reads."""

from pydantic import Field

from engines.settings import EngineSettings
from stages.settings import WorkerSettings


class AsrSettings(WorkerSettings, EngineSettings):
    """What the ASR stage reads."""

    max_batch: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="sessions in one forward pass; unset: DALSTON_SESSIONS_PER_GPU",
    )
    partial_interval_ms: int = Field(
        300, ge=50, le=5000, description="milliseconds of new audio for which a partial is decoded"
    )
    chunk_ms: int | None = Field(
        None, ge=80, le=5000, description="milliseconds in a step of a cache-aware Parakeet; unset: 160"
    )
    asr_threads: int = Field(1, ge=1, le=256, description="CPU threads of one forward pass")
