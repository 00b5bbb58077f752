"""Names the models that wheels carry, and finds their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from runtime.errors import StartupError
from runtime.wheels import folder_of

ENCODER, DECODER, TOKENIZER = FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """A model in a wheel: the package, its folder with the files, and the SHA-256 of each of FILES.

    `ends_early` says that it at times ends its text before the first word of a whole sentence.
    """

    name: str
    package: str
    wheel: str
    path: str
    hashes: tuple[str, str, str]
    ends_early: bool = False

    def folder(self) -> Path:
        """Where its files are.

        Raises:
            StartupError: the wheel is not installed.
        """
        return folder_of(self.package, self.wheel) / self.path


TINY: Final = EmbeddedModel(
    "tiny-en",
    "moonshine_voice",
    "moonshine-voice==0.1.0",  # Later versions carry no weights.
    "assets/tiny-en",
    (
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
    ),
)
BASE: Final = EmbeddedModel(
    "base-en",
    "moonshine_cpp",
    "moonshine-cpp==0.1.4",  # For x86-64 Linux and macOS on ARM alone.
    "models/base-en",
    (
        "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c",
        "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
        "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9",
    ),
    ends_early=True,  # At 8 of 121 clips of 3 to 10 s, cut anywhere; so do the graphs that ship (measured).
)
CHECKPOINTS: Final[Mapping[str, EmbeddedModel]] = {each.name: each for each in (TINY, BASE)}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The contents of a model's files, the name that it goes by, and whether its weights are known ones.

    `ends_early` is that of the known model.
    """

    name: str
    folder: Path
    encoder: bytes
    decoder: bytes
    known: bool
    ends_early: bool = False

    @property
    def hash(self) -> str:
        """One hash of both graphs."""
        return sha256(sha256(self.encoder).digest() + sha256(self.decoder).digest()).hexdigest()


def read_files(source: EmbeddedModel | Path) -> ModelFiles:
    """The files of an embedded model, or of a folder of the user's.

    Raises:
        StartupError: a file is missing; the message says which and how to get it.
    """
    folder = source if isinstance(source, Path) else source.folder()
    wheel = TINY.wheel if isinstance(source, Path) else source.wheel
    for name in FILES:
        if not (folder / name).is_file():
            raise StartupError(f"Moonshine's {name} is not in {folder}; pip install {wheel}")
    encoder, decoder = ((folder / name).read_bytes() for name in (ENCODER, DECODER))
    hashes = sha256(encoder).hexdigest(), sha256(decoder).hexdigest()
    for known in CHECKPOINTS.values():
        if known.hashes[:2] == hashes:
            return ModelFiles(known.name, folder, encoder, decoder, known=True, ends_early=known.ends_early)
    return ModelFiles(folder.resolve().name, folder, encoder, decoder, known=False)
