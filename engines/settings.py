"""Reads the settings that say which models a process loads, and on which devices."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from engines.catalog import ModelSpec, parse_models
from engines.devices import parse_devices
from runtime.settings import Settings


def _parse(value: Any) -> Any:
    return parse_models(value) if isinstance(value, str) else value


def _parse_devices(value: Any) -> Any:
    return parse_devices(value) if isinstance(value, str) else value


class EngineSettings(Settings):
    """What the processes read that load models."""

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
