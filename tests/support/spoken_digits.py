"""Makes spoken digits of voices that the digits checkpoint does not know."""

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engines.base import Floats
from tests.checkpoints.digits_speech import SPLITS, draw_recipe, render

DIGITS = Path(__file__).parents[1] / "checkpoints" / "digits.nemo"


@dataclass(frozen=True)
class Spoken:
    """An utterance and what is said in it."""

    text: str
    audio: Floats


@cache
def spoken(count: int) -> tuple[Spoken, ...]:
    """The first utterances of the test split, the same every time."""
    split = next(split for split in SPLITS if split.name == "test")
    rng = random.Random("0 test")
    recipes = [draw_recipe(rng, split) for _ in range(count)]
    return tuple(Spoken(recipe.text, render(recipe)) for recipe in recipes)
