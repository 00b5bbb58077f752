"""Makes checkpoints of the parts of the digits checkpoint, which a test may change."""

import tarfile
from pathlib import Path
from typing import Any

from engines.parakeet.nemo import ASRModel
from tests.support.spoken_digits import DIGITS, Spoken, spoken

__all__ = ["DIGITS", "Spoken", "config_of_digits", "spoken", "untrained"]


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
