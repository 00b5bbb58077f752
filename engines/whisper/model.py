"""CTranslate2's Whisper with numpy arrays: batches of mel spectrograms in, hidden states and tokens out."""

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

BEAM: Final = 5  # the beam of openai/whisper's command line and of faster-whisper
COMPUTE: Final = {
    "cuda": ("float16", "int8_float16", "int8", "float32"),
    "cpu": ("int8", "float32"),
}
"""Number formats by device, the best first; which of them a machine has, CTranslate2 knows."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What the decoder made of one utterance.

    `logprob` is the mean of the log probabilities of the tokens and of the end, as in openai/whisper;
    `no_speech` the probability that nobody speaks.
    """

    tokens: tuple[int, ...]
    logprob: float
    no_speech: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """When each token begins (frames of 20 ms, one more for the end), and its probability."""

    starts: tuple[int, ...]
    probabilities: tuple[float, ...]


class WhisperModel:
    """The weights on a device. `device` is `cuda`, `cpu`, or None for the better one there is.

    All of its methods raise `OutOfMemory` where a batch does not fit the device, and `DeviceLost` where
    that has failed for good.

    Raises:
        StartupError: CTranslate2 can't load the model, or has no such device.
    """

    def __init__(
        self, checkpoint: WhisperCheckpoint, threads: int, device: str | None, compute_type: str | None
    ) -> None:
        self.device = device or ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
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

        A GPU gets them as one batch. A core takes as long for a batch as for its parts, and longer where
        the attention's matrices outgrow glibc's largest arena: each pass then maps them anew (measured).
        """
        at_once = 1 if self.device == "cpu" else len(mels)
        batches = (mels[at : at + at_once] for at in range(0, len(mels), at_once))
        with _room():
            parts = [np.asarray(self._weights.encode(_view(np.stack(b)), to_cpu=True)) for b in batches]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def identify(self, hidden: Floats) -> list[str]:
        """The likeliest language of each, as a code of Whisper's."""
        with _room():
            found = self._weights.detect_language(_view(hidden))
        return [languages[0][0].strip("<|>") for languages in found]

    def generate(self, hidden: Floats, prompts: list[list[int]], limit: int) -> list[Generated]:
        """Texts of at most `limit` tokens behind prompts of one length."""
        # CTranslate2 gives a text half of max_length at most
        with _room():
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
        """Where the tokens of each text are, by the cross-attention; `frames` of 10 ms are no padding."""
        with _room():
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
def _room() -> Iterator[None]:
    """CTranslate2 has one exception for everything that CUDA says, which says nothing else once it failed."""
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
    # the score is the mean over the tokens without the end
    logprob = result.scores[0] * len(tokens) / (len(tokens) + 1)
    return Generated(tokens, logprob, result.no_speech_prob)


def _aligned(result: Any) -> Aligned:
    starts: dict[int, int] = {}
    for token, frame in result.alignments:
        starts.setdefault(token, frame)
    return Aligned(tuple(starts.values()), tuple(result.text_token_probs))
