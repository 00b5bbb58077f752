"""Runs NeMo's streaming pipelines so that a step that fails leaves its streams as they were."""

from collections.abc import Sequence
from typing import Any

import torch

from engines.base import DeviceLost, StreamsLost
from engines.parakeet import config as parakeet_config
from engines.parakeet.checkpoint import NemoCheckpoint
from engines.parakeet.nemo import (
    Buffered,
    CacheAware,
    build_pipeline,
    free_state,
    model_of,
    normalize_as_trained,
    notify_before,
)


class NemoPipeline:
    """One of the two pipelines on a device. Streams are identified by their numbers."""

    def __init__(self, checkpoint: NemoCheckpoint, device: str, streams: int, chunk_ms: int | None) -> None:
        config = getattr(parakeet_config, checkpoint.kind)(checkpoint, device, streams, chunk_ms)
        self._nemo = build_pipeline(config)
        self._kind = CacheAware(self._nemo) if checkpoint.kind == "cache_aware" else Buffered(self._nemo)
        if checkpoint.kind == "buffered":
            normalize_as_trained(self._nemo, checkpoint.normalize)
        self._committing = False
        notify_before(*self._kind.committing_method, self._note_commit)
        self.chunk_samples, self.stream_bytes = self._kind.chunk_samples, self._kind.stream_bytes
        self.split = self._kind.split

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's tokenizer."""
        return self._nemo.tokenizer

    @property
    def model(self) -> Any:
        """NeMo's model, which can also transcribe offline."""
        return model_of(self._nemo)

    def step(self, frames: Sequence[Any]) -> list[Any]:
        """The outputs of one step, of one frame of each stream.

        Raises:
            DeviceLost: CUDA has failed, and will fail with every input.
            StreamsLost: the step failed half-way, and its streams are gone.
            Exception: what NeMo raised; the streams are as before, new ones are not open.
        """
        restore = [self._kind.snapshot(frame.stream_id) for frame in frames if not frame.is_first]
        self._committing = False
        try:
            return list(self._nemo.transcribe_step(list(frames)))
        except Exception as error:
            if isinstance(error, torch.AcceleratorError) and "out of memory" not in str(error):
                raise DeviceLost(str(error).partition("\n")[0]) from error
            lost = [frame for frame in frames if frame.is_first or self._committing]
            if not self._committing:
                for restore_stream in restore:
                    restore_stream()
            for frame in lost:
                self.free(frame.stream_id)
            if self._committing:
                raise StreamsLost(f"a step failed half-way: {error}") from error
            raise

    def free(self, stream: int) -> None:
        """Free all of a stream that will not be finished; does nothing if it is not open."""
        self._kind.free(stream)
        free_state(self._nemo, stream)

    def _note_commit(self) -> None:
        """A step has reached the method by which it changes its streams for good."""
        self._committing = True
