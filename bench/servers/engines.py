"""The engine that a server would have for a session, loaded in this process."""

from engines.base import Engine
from engines.catalog import EngineLimits, default, describe, load, parse


def engine_for(models: str | None, model: str, threads: int = 1) -> Engine | None:
    """The engine that answers to `model` where `DALSTON_MODELS` is `models`, or unset; None if none does.

    Raises:
        StartupError: `models` has another form, or one of its engines can't be loaded.
    """
    engines = load(parse(models) if models else default(), EngineLimits(threads))
    named = [info.variant for info in describe(engines) if info.answers_to(model)]
    return engines[named[0]] if named else None
