"""Holds the settings that the ASR stage reads."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from engines.catalog import ModelSpec, parse_models
from engines.devices import parse_devices
from stages.settings import WorkerSettings


def _parse(value: Any) -> Any:
    return parse_models(value) if isinstance(value, str) else value


def _parse_devices(value: Any) -> Any:
    return parse_devices(value) if isinstance(value, str) else value


class AsrSettings(WorkerSettings):
    """What the ASR stage reads."""

    models: Annotated[tuple[ModelSpec, ...] | None, NoDecode, BeforeValidator(_parse)] = Field(
        None,
        description="variants and what serves them, such as"
        " fast=moonshine:tiny-en,accurate=whisper:small.en; unset: by the hardware and what is installed",
    )
    devices: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_parse_devices)] = Field(
        None,
        description="GPU of each ASR process, such as 0,1, or one for all of them; cpu: none;"
        " unset: process k uses the k-th GPU",
    )
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
