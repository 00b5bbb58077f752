"""Chooses and loads the engine that hears a recording again."""

import os
from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.models import VARIANTS
from engines.base import Engine
from engines.catalog import EngineLimits, ModelSpec, default, load
from engines.devices import CPU, use_device, visible_gpus
from enhancement.settings import EnhancerSettings
from enhancement.stage_work import BadJobInput
from runtime.gpu import count_gpus

ON_A_CPU: Final = 2  # Pieces, 20 s of audio: a pass of a core that others use too takes seconds.
ON_A_GPU: Final = 16  # Pieces, minutes of audio, which a GPU hears in a second.


def choose_model(wanted: str | None, settings: EnhancerSettings, known: tuple[ModelSpec, ...]) -> ModelSpec:
    """The model of a job that asked for `wanted`, among those `known` to the server.

    A client may name a variant or a model that the server has; nothing else is loaded for one.

    Raises:
        BadJobInput: the server has no such model.
    """
    own = _find(settings.enhancer_model, known) or _parse(settings.enhancer_model)
    if wanted is None:
        return own
    found = _find(wanted, known) or (own if wanted == f"{own.engine}:{own.checkpoint}" else None)
    if found is None:
        names = ", ".join(
            [*VARIANTS, *sorted({f"{each.engine}:{each.checkpoint}" for each in (*known, own)})]
        )
        raise BadJobInput(f"the model {wanted!r} is none of this server, which has {names}")
    return found


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """An engine that is loaded, its name, and how many pieces it is given in one pass."""

    engine: Engine
    name: str
    at_once: int


def load_engine(wanted: str | None, settings: EnhancerSettings) -> ChosenEngine:
    """The engine of a job.

    Raises:
        BadJobInput: the server has no such model.
        StartupError: its library or checkpoint is missing; the message says what to install.
    """
    devices = settings.devices or ()
    has_gpu = devices != (CPU,) and bool(visible_gpus(os.environ, count_gpus()))
    spec = choose_model(wanted, settings, settings.models or default(gpu=has_gpu))
    device = use_device(0, devices, (spec,))
    at_once = ON_A_CPU if device == CPU else ON_A_GPU
    limits = EngineLimits(settings.enhancer_threads, at_once, None, settings.data_dir, device)
    engine = load((spec,), limits)[spec.variant]
    return ChosenEngine(engine, engine.info.name, at_once)


def _find(name: str, known: tuple[ModelSpec, ...]) -> ModelSpec | None:
    for spec in known:
        if name in (spec.variant, f"{spec.engine}:{spec.checkpoint}"):
            return spec
    return known[0] if name in VARIANTS and known else None


def _parse(name: str) -> ModelSpec:
    engine, _, checkpoint = name.partition(":")
    return ModelSpec("accurate", engine, checkpoint)
