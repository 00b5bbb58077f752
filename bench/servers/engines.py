"""Loads in this process the engine that a server would have for a session."""

from engines.base import Engine
from engines.catalog import EngineLimits, default, describe, load, parse


def engine_for(models: str | None, model: str, threads: int = 1) -> Engine | None:
    """Load the engine that serves `model` where `DALSTON_MODELS` is `models`; None if no engine does.

    `models` None: the variable is not set.

    Raises:
        StartupError: `models` has another form, or one of its engines can't be loaded.
    """
    engines = load(parse(models) if models else default(), EngineLimits(threads))
    named = [info.variant for info in describe(engines) if info.answers_to(model)]
    return engines[named[0]] if named else None
