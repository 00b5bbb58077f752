"""Finds a checkpoint by hub name or path, and reads how it can stream, or why it can't."""

import platform
import re
import tarfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from engines.parakeet.nemo import ASRModel, EncDecRNNTModel
from runtime.errors import StartupError

CheckpointKind: TypeAlias = Literal["cache_aware", "buffered"]

EXAMPLES: Final = (
    "nvidia/nemotron-speech-streaming-en-0.6b, nvidia/parakeet-tdt-1.1b or the path of a .nemo file"
)
DEFAULT_CHUNK_MS: Final = 160
"""Milliseconds of a cache-aware checkpoint's step by default, or the nearest that it was trained for."""
UNNORMALIZED: Final = (None, "", "NA", "None")
# fmt: off
EUROPEAN: Final = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "hr", "hu", "it",
    "lt", "lv", "mt", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "uk",
)
# fmt: on
LANGUAGES: Final = {"parakeet-tdt-0.6b-v3": EUROPEAN}
"""Languages by the checkpoint's card, as its configuration has none; other checkpoints know English."""
IN_NAME: Final = re.compile(r"^stt_([a-z]{2})_")  # NVIDIA's names of checkpoints for one other language.


@dataclass(frozen=True, slots=True)
class NemoCheckpoint:
    """A transducer. `contexts` are pairs: the frames before and after the present one that its encoder uses.

    `frame_ms` is the length of one frame in milliseconds, `normalize` how its features are normalized.
    """

    path: Path
    name: str
    kind: CheckpointKind
    languages: tuple[str, ...]
    contexts: tuple[tuple[int, int], ...]
    frame_ms: int
    normalize: str | None

    def context_for(self, chunk_ms: int | None) -> tuple[int, int]:
        """The context of a cache-aware encoder for steps of `chunk_ms`.

        Raises:
            StartupError: it was not trained for these; the message says for which.
        """
        steps = {(ahead + 1) * self.frame_ms: (back, ahead) for back, ahead in self.contexts}
        nearest = min(steps, key=lambda step: abs(step - (chunk_ms or DEFAULT_CHUNK_MS)))
        if chunk_ms is not None and nearest != chunk_ms:
            known = ", ".join(map(str, sorted(steps)))
            raise StartupError(f"{self.name} has no steps of {chunk_ms} ms; it was trained for {known} ms")
        return steps[nearest]


def locate(model: str, kind: CheckpointKind | None = None) -> NemoCheckpoint:
    """Find a checkpoint by path or hub name, and read how it streams unless `kind` says it.

    What is not on this machine is downloaded once into Hugging Face's cache.

    Raises:
        StartupError: it is missing and can't be downloaded, is no ASR model of NeMo's, or can't stream.
    """
    path = _find(model)
    config = _read(path, model)
    _check_transducer(config, model)
    contexts = _contexts(config.encoder)
    found: CheckpointKind = "cache_aware" if _streams(config, contexts) else "buffered"
    if kind == "cache_aware" and found != kind:
        raise StartupError(f"the encoder of {model} keeps no cache: it streams only as kind=buffered")
    name = path.stem if model.endswith(".nemo") else model.rpartition("/")[2]
    return NemoCheckpoint(
        path,
        name,
        kind or found,
        _languages(name),
        contexts,
        round(
            config.preprocessor.get("window_stride", 0.01)
            * config.encoder.get("subsampling_factor", 4)
            * 1000
        ),
        _normalize(config),
    )


def _find(model: str) -> Path:
    path = Path(model).expanduser()
    if path.is_file():
        return path.resolve()
    if model.endswith(".nemo") or not re.fullmatch(r"[\w.-]+/[\w.-]+", model) or model.startswith("."):
        raise StartupError(f"no Parakeet checkpoint {model!r} on this machine: give {EXAMPLES}")
    try:
        return Path(ASRModel.from_pretrained(model, return_model_file=True))
    except Exception as error:  # noqa: BLE001 - whatever NeMo, huggingface_hub and httpx raise
        raise StartupError(
            f"Parakeet {model} is not on this machine and could not be downloaded from huggingface.co"
            f" ({_line(error)}); give the worker a network for its first start, or the path of a .nemo file"
        ) from None


def _read(path: Path, model: str) -> Any:
    """The configuration in the checkpoint, without unpacking the weights."""
    if not hasattr(tarfile, "data_filter"):
        raise StartupError(f"NeMo needs Python 3.11.4 or newer, and this is {platform.python_version()}")
    try:
        config = ASRModel.restore_from(str(path), return_config=True)
    except Exception as error:  # noqa: BLE001 - whatever tarfile, omegaconf and NeMo raise
        raise StartupError(f"{model} is no checkpoint of NeMo's ({_line(error)}): give {EXAMPLES}") from None
    if not all(part in config for part in ("target", "preprocessor", "encoder")):
        raise StartupError(f"{model} is no ASR model of NeMo's: give {EXAMPLES}")
    return config


def _check_transducer(config: Any, model: str) -> None:
    module, _, name = str(config.target).rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise StartupError(f"{model} is a {config.target}, which this NeMo does not know") from None
    if not (isinstance(kind, type) and issubclass(kind, EncDecRNNTModel)):
        raise StartupError(
            f"{model} is a {name}, which can't stream here: it takes a transducer (RNNT or TDT), such as"
            f" {EXAMPLES}"
        )


def _contexts(encoder: Any) -> tuple[tuple[int, int], ...]:
    sizes = encoder.get("att_context_size") or [-1, -1]
    several = [sizes] if isinstance(sizes[0], int) else sizes
    return tuple((int(size[0]), int(size[-1])) for size in several)


def _streams(config: Any, contexts: tuple[tuple[int, int], ...]) -> bool:
    """Whether encoder and features need no audio after their chunk."""
    encoder = config.encoder
    return (
        encoder.get("att_context_style") == "chunked_limited"
        and encoder.get("conv_context_size") == "causal"
        and min(min(context) for context in contexts) >= 0
        and _normalize(config) in UNNORMALIZED
    )


def _normalize(config: Any) -> str | None:
    """How features are normalized; NeMo's default is `per_feature`."""
    found = config.preprocessor.get("normalize", "per_feature")
    return None if found is None else str(found)


def _languages(name: str) -> tuple[str, ...]:
    match = IN_NAME.match(name)
    return LANGUAGES.get(name, (match[1] if match else "en",))


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
