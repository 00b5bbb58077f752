"""Describes a model that a worker has loaded, as clients and the registry see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

VARIANTS: Final = ("fast", "accurate")
"""The names that are always valid as a model, whether or not a worker has one loaded."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One loaded model. `languages` are ISO 639 codes of two or three letters, `features` what it can do."""

    variant: str
    name: str
    engine: str
    languages: tuple[str, ...]
    features: Mapping[str, bool]

    def answers_to(self, model: str) -> bool:
        """Whether a client that asks for `model` means this one."""
        return model in (self.variant, self.name)

    def speaks(self, language: str) -> bool:
        """Whether it supports `language`, or picks one itself for `auto`."""
        return language == "auto" or language in self.languages


def read_model(model: Mapping[str, Any]) -> ModelInfo:
    """A model from its JSON form, which is its fields."""
    return ModelInfo(
        variant=str(model["variant"]),
        name=str(model["name"]),
        engine=str(model["engine"]),
        languages=tuple(map(str, model["languages"])),
        features={str(name): bool(value) for name, value in model["features"].items()},
    )
