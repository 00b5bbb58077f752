"""Looks at NeMo's state behind an engine, and makes its methods fail."""

from collections.abc import Callable
from typing import Any

import torch

from engines.parakeet.engine import Parakeet


def open_in_nemo(engine: Parakeet, slots: int) -> int:
    """Streams of which NeMo holds anything; as many slots are taken."""
    nemo = engine._pipeline._nemo
    if engine.info.variant == "fast":
        taken = slots - int(nemo.bufferer.available_slots.qsize())
        assert taken == slots - nemo.context_manager.free_slots.qsize()
    else:
        taken = len(nemo.bufferer.bufferers)
    assert taken == len(nemo._state_pool)
    return taken


def boosted_streams(engine: Parakeet) -> int:
    """Of how many streams NeMo holds a boosting tree."""
    models = engine._pipeline.model.decoding.decoding.decoding_computer.biasing_multi_model
    return int(models.model2active.sum())


class FullOnce:
    """Stands before a method of NeMo's; the call of that number finds no memory."""

    def __init__(self, method: Callable[..., Any], call: int) -> None:
        self.method, self.left = method, call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\nGPU 0 has ...")
        return self.method(*args, **kwargs)


def encoder_of(engine: Parakeet) -> tuple[Any, str]:
    """Where NeMo runs the encoder, and in a cache-aware pipeline the decoder."""
    return engine._pipeline._nemo.asr_model, "stream_step" if engine.info.variant == "fast" else "encode"
