"""Loads in this process the engine that a server would have for a session."""

from typing import cast

from dalston_realtime.client.errors import UsageError
from engines.base import Engine, UtteranceEngine
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


def utterance_engine_for(models: str | None, model: str, threads: int = 1) -> UtteranceEngine:
    """Load the engine that serves `model`, which has to decode complete utterances.

    Raises:
        UsageError: there is no such model, or its engine streams.
        StartupError: `models` has another form, or one of its engines can't be loaded.
    """
    engine = engine_for(models, model, threads)
    if engine is None:
        raise UsageError(f"there is no model {model!r}; --set models=... names others")
    if engine.info.features["streaming"]:
        raise UsageError(f"{model!r} decodes no utterance alone: there is nothing to compare with")
    return cast(UtteranceEngine, engine)
