"""Runs CTranslate2's Whisper on batches of numpy arrays: encodes, decodes and aligns."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import ctranslate2
import numpy as np
from ctranslate2.models import Whisper as Weights

from engines.base import DeviceLost, Floats, OutOfMemory
from engines.whisper.checkpoint import WhisperCheckpoint
from runtime.errors import StartupError

BEAM: Final = 5  # Hypotheses: the beam of openai/whisper's command line and of faster-whisper.
COMPUTE: Final = {
    "cuda": ("float16", "int8_float16", "int8", "float32"),
    "cpu": ("int8", "float32"),
}
"""Number formats by device, the best one first; CTranslate2 knows which of them a machine supports."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The decoder's result for one utterance.

    `logprob` is the mean of the log probabilities of the tokens and of the end, as in openai/whisper;
    `no_speech` the probability that nobody speaks.
    """

    tokens: tuple[int, ...]
    logprob: float
    no_speech: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """The start of each token (in frames of 20 ms, and one more for the end), and its probability."""

    starts: tuple[int, ...]
    probabilities: tuple[float, ...]


class WhisperModel:
    """The weights on a device. `device` is `cuda`, `cpu`, or None for the best one of the machine.

    All methods raise `OutOfMemory` where a batch does not fit the device, and `DeviceLost` where the device
    has failed for good.

    Raises:
        StartupError: CTranslate2 can't load the model, or has no such device.
    """

    def __init__(
        self, checkpoint: WhisperCheckpoint, threads: int, device: str | None, compute_type: str | None
    ) -> None:
        self.device = device or ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
        if device == "cuda" and not ctranslate2.get_cuda_device_count():
            raise StartupError(
                f"this host has a GPU, and CTranslate2 {ctranslate2.__version__} can't use it:"
                " install one with CUDA, or set DALSTON_DEVICES=cpu"
            )
        try:
            compute_type = compute_type or best_compute_type(self.device)
            self._weights = Weights(
                str(checkpoint.folder), self.device, compute_type=compute_type, intra_threads=threads
            )
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition(". ")[0]
            raise StartupError(f"Whisper can't be loaded from {checkpoint.folder}: {reason}") from None
        self.multilingual: bool = self._weights.is_multilingual
        self.mels: int = self._weights.n_mels

    def encode(self, mels: Sequence[Floats]) -> Floats:
        """Hidden states [B, F / 2, D] of spectrograms [mels, F], on the host.

        A GPU gets them as one batch. A core takes as long for a batch as for its parts, and longer when the
        attention's matrices exceed glibc's largest arena: each pass then maps them again (measured).
        """
        batch_size = 1 if self.device == "cpu" else len(mels)
        batches = (mels[at : at + batch_size] for at in range(0, len(mels), batch_size))
        with _device_errors():
            parts = [np.asarray(self._weights.encode(_view(np.stack(b)), to_cpu=True)) for b in batches]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def identify(self, hidden: Floats) -> list[str]:
        """The most likely language of each, as Whisper's code."""
        with _device_errors():
            found = self._weights.detect_language(_view(hidden))
        return [languages[0][0].strip("<|>") for languages in found]

    def generate(self, hidden: Floats, prompts: list[list[int]], limit: int) -> list[Generated]:
        """Texts of at most `limit` tokens after prompts of one length."""
        # CTranslate2 limits a text to half of max_length.
        with _device_errors():
            results = self._weights.generate(
                _view(hidden),
                prompts,
                beam_size=BEAM,
                max_length=max(2 * limit, limit + len(prompts[0])),
                return_scores=True,
                return_no_speech_prob=True,
            )
        return [_generated(result) for result in results]

    def align(
        self, hidden: Floats, start: list[int], texts: list[list[int]], frames: list[int]
    ) -> list[Aligned]:
        """The times of the tokens of each text, by cross-attention; `frames` (10 ms) are without padding."""
        with _device_errors():
            results = self._weights.align(_view(hidden), start, texts, frames)
        return [_aligned(result) for result in results]


def best_compute_type(device: str) -> str:
    """The first of our number formats that CTranslate2 has for a device.

    Raises:
        ValueError: it has no such device.
    """
    possible = ctranslate2.get_supported_compute_types(device)
    return next(kind for kind in COMPUTE[device] if kind in possible)


@contextmanager
def _device_errors() -> Iterator[None]:
    """Translate CTranslate2's exception: it has one type for all errors of CUDA, told apart by their text."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise OutOfMemory(str(error)) from error
        if "CUDA failed" in str(error):
            raise DeviceLost(str(error)) from error
        raise


def _view(values: Floats) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(values))


def _generated(result: Any) -> Generated:
    tokens = tuple(result.sequences_ids[0])
    # The score is the mean over the tokens without the end.
    logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
    return Generated(tokens, logprob, result.no_speech_prob)


def _aligned(result: Any) -> Aligned:
    starts: dict[int, int] = {}
    for token, frame in result.alignments:
        starts.setdefault(token, frame)
    return Aligned(tuple(starts.values()), tuple(result.text_token_probs))
