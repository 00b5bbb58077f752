"""Makes spoken digits of voices that the digits checkpoint does not know, and checkpoints of its parts."""

import random
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from engines.base import Floats
from engines.parakeet.nemo import ASRModel
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


def config_of_digits(folder: Path) -> Any:
    """The digits checkpoint's configuration over a tokenizer that is unpacked into `folder`."""
    with tarfile.open(DIGITS) as archive:
        for member in archive.getmembers():
            for name in ("tokenizer.model", "vocab.txt"):
                if member.name.endswith(name):
                    member.name = name
                    archive.extract(member, folder, filter="data")
    config = ASRModel.restore_from(str(DIGITS), return_config=True)
    config.tokenizer = {"dir": str(folder), "type": "bpe"}
    return config


def untrained(config: Any, folder: Path) -> Path:
    """A checkpoint of random weights, which hears nonsense in the way of its kind."""
    config.train_ds = config.validation_ds = None
    path = folder / "untrained.nemo"
    ASRModel.from_config_dict(config).save_to(str(path))
    return path
