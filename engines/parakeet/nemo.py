"""Reaches past NeMo's documented interface; no other module does.

Checked against nemo_toolkit 3.0.0; tests/engines/test_nemo_contract.py tests what is used. NeMo documents
neither its streaming pipelines nor their parts: `bufferer` (audio and features of the open streams),
`context_manager` (the encoder's caches), the states of the streams and the boosting trees in the decoder.

The import takes some 15 s of a CPU core, so only a process that serves Parakeet imports this module.
"""

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from omegaconf import OmegaConf

from dalston_realtime.protocol.audio import SAMPLE_RATE

logging.getLogger("nv_one_logger").setLevel(logging.CRITICAL)  # It logs that it is switched off.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Deprecations in what NeMo imports.
    from nemo.utils import logging as nemo_logging

    nemo_logging.setLevel(logging.ERROR)
    from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
    from nemo.collections.asr.inference.streaming.framing.request import Frame
    from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
    from nemo.collections.asr.inference.utils.pipeline_utils import drop_trailing_features
    from nemo.collections.asr.models import ASRModel, EncDecRNNTModel
    from nemo.collections.asr.parts.context_biasing.biasing_multi_model import BiasingRequestItemConfig
    from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import BoostingTreeModelConfig
    from nemo.collections.asr.parts.preprocessing.features import normalize_batch

__all__ = [
    "ASRModel",
    "ASRRequestOptions",
    "BiasingRequestItemConfig",
    "BoostingTreeModelConfig",
    "Buffered",
    "CacheAware",
    "EncDecRNNTModel",
    "Frame",
    "Restore",
    "build_pipeline",
    "free_state",
    "model_of",
    "normalize_as_trained",
    "notify_before",
]

Restore: TypeAlias = Callable[[], None]


@dataclass(slots=True)
class CacheAware:
    """`CacheAwareRNNTPipeline`: a slot for each open stream has its features and the encoder's cache."""

    nemo: Any

    @property
    def chunk_samples(self) -> int:
        """The number of samples in a step."""
        return round(float(self.nemo.chunk_size_in_secs) * SAMPLE_RATE)

    @property
    def committing_method(self) -> tuple[Any, str]:
        """The owner and name of the method that writes the results of a step into the streams."""
        return self.nemo.context_manager, "update_cache"

    @property
    def stream_bytes(self) -> int:
        """The bytes of an open stream on the device."""
        caches = self.nemo.context_manager
        held = (caches.cache_last_channel, caches.cache_last_time, self.nemo.bufferer.feature_buffer)
        return sum(int(tensor.nbytes) for tensor in held) // int(caches.num_slots)

    def split(self, frames: Sequence[Any]) -> list[list[Any]]:
        """The steps that NeMo makes of one: last frames are apart, and come first because they free slots."""
        last = [frame for frame in frames if frame.is_last]
        return [part for part in (last, [f for f in frames if not f.is_last]) if part]

    def snapshot(self, stream: int) -> Restore:
        """A function that restores an open stream to its present state."""
        buffers = self.nemo.bufferer
        slot = buffers.streamidx2slotidx[stream]
        audio = buffers.audio_bufferers[slot]
        samples, padding = audio.sample_buffer, audio.left_padding  # NeMo replaces both, and changes neither.
        features = buffers.feature_buffer[slot].clone()

        def restore() -> None:
            if stream not in buffers.streamidx2slotidx:  # A last frame frees its slot before anything else.
                buffers.available_slots.queue.remove(slot)
                buffers.streamidx2slotidx[stream], buffers.slotidx2streamidx[slot] = slot, stream
            audio.sample_buffer, audio.left_padding = samples, padding
            buffers.feature_buffer[slot] = features

        return restore

    def free(self, stream: int) -> None:
        """Free the slots of a stream; NeMo does so only after a last frame."""
        buffers, caches = self.nemo.bufferer, self.nemo.context_manager
        if stream in buffers.streamidx2slotidx:
            buffers.free_slots([buffers.streamidx2slotidx[stream]])
        if stream in caches.streamidx2slotidx:
            caches.reset_slots([stream], [True])


@dataclass(slots=True)
class Buffered:
    """`BufferedRNNTPipeline`: a few seconds of audio for each open stream, and the state of its decoder."""

    nemo: Any

    @property
    def chunk_samples(self) -> int:
        """The number of samples in a step."""
        return round(float(self.nemo.chunk_size) * SAMPLE_RATE)

    @property
    def committing_method(self) -> tuple[Any, str]:
        """The owner and name of the method that writes the results of a step into the streams."""
        return self.nemo, "decode_step"

    @property
    def stream_bytes(self) -> int:
        """The bytes of an open stream on the device without its decoder's state: its audio is on the host."""
        return 0

    def split(self, frames: Sequence[Any]) -> list[list[Any]]:
        """The steps that NeMo makes of one."""
        return [list(frames)]

    def snapshot(self, stream: int) -> Restore:
        """A function that restores an open stream to its present state."""
        buffers = self.nemo.bufferer.bufferers
        audio, state = buffers[stream], self.nemo.get_state(stream)
        samples, padding = audio.sample_buffer, audio.left_padding  # NeMo replaces both, and changes neither.
        decoder = state.hyp_decoding_state

        def restore() -> None:
            buffers[stream] = audio
            audio.sample_buffer, audio.left_padding = samples, padding
            state.hyp_decoding_state = decoder

        return restore

    def free(self, stream: int) -> None:
        """Free the audio of a stream; NeMo does so only after a last frame."""
        self.nemo.bufferer.rm_bufferer(stream)


def build_pipeline(config: dict[str, Any]) -> Any:
    """One of NeMo's two pipelines with its model, on a device."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of torch, about NeMo's modules.
        return PipelineBuilder.build_pipeline(OmegaConf.create(config))


def model_of(pipeline: Any) -> Any:
    """The model of a pipeline, which can also transcribe offline."""
    return pipeline.asr_model.asr_model


def free_state(pipeline: Any, stream: int) -> None:
    """Free the state of a stream and its boosting tree; does nothing if it is not open."""
    state = pipeline.get_state(stream)
    if state is not None and state.has_biasing_request():
        computer = model_of(pipeline).decoding.decoding.decoding_computer
        state.options.biasing_cfg.remove_from_multi_model(computer.biasing_multi_model)
    pipeline.delete_state(stream)


def notify_before(owner: Any, name: str, notify: Callable[[], None]) -> None:
    """Have `notify` called before each call of a method of NeMo's."""
    method = getattr(owner, name)

    def notifying(*args: Any, **kwargs: Any) -> Any:
        notify()
        return method(*args, **kwargs)

    setattr(owner, name, notifying)


def normalize_as_trained(pipeline: Any, normalize: str | None) -> None:
    """Normalize features as the checkpoint was trained; NeMo always does it `per_feature` when it buffers."""
    if normalize == "per_feature":
        return

    def preprocess(buffers: Any, buffer_lens: Any, expected_feature_buffer_len: int) -> tuple[Any, Any]:
        features, lengths = pipeline.preprocessor(input_signal=buffers, length=buffer_lens)
        features = drop_trailing_features(features, expected_feature_buffer_len)
        features = normalize_batch(features, lengths, normalize or "NA")[0]
        return features, lengths.clamp(max=features.shape[2])

    pipeline.preprocess = preprocess
    if pipeline.zero_encoded is not None:
        with torch.inference_mode():
            pipeline.zero_encoded = pipeline.init_zero_enc()
