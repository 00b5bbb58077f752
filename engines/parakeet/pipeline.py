"""NeMo's two streaming pipelines with what they lack: a step that fails leaves its streams as they were."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from omegaconf import OmegaConf

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import DeviceLost
from engines.parakeet import config as parakeet_config
from engines.parakeet.checkpoint import NemoCheckpoint
from engines.parakeet.nemo import PipelineBuilder, drop_trailing_features, normalize_batch

Undo: TypeAlias = Callable[[], None]


class StreamsLost(Exception):
    """A step failed after NeMo had begun to move its streams on: they are closed."""


@dataclass(slots=True)
class CacheAware:
    """`CacheAwareRNNTPipeline`: a slot for each open stream holds its features and the encoder's cache."""

    nemo: Any

    @property
    def chunk_samples(self) -> int:
        """Samples of a step."""
        return round(float(self.nemo.chunk_size_in_secs) * SAMPLE_RATE)

    @property
    def point_of_no_return(self) -> tuple[Any, str]:
        """The method that writes what a step has found out into the streams."""
        return self.nemo.context_manager, "update_cache"

    @property
    def stream_bytes(self) -> int:
        """What an open stream holds on the device."""
        caches = self.nemo.context_manager
        held = (caches.cache_last_channel, caches.cache_last_time, self.nemo.bufferer.feature_buffer)
        return sum(int(tensor.nbytes) for tensor in held) // int(caches.num_slots)

    def parts(self, frames: Sequence[Any]) -> list[list[Any]]:
        """The steps that NeMo makes of one: last frames are encoded apart. First, as that frees slots."""
        last = [frame for frame in frames if frame.is_last]
        return [part for part in (last, [f for f in frames if not f.is_last]) if part]

    def remember(self, stream: int) -> Undo:
        """What puts an open stream back to where it is now."""
        buffers = self.nemo.bufferer
        slot = buffers.streamidx2slotidx[stream]
        audio = buffers.audio_bufferers[slot]
        samples, padding = audio.sample_buffer, audio.left_padding  # NeMo replaces the one by another
        features = buffers.feature_buffer[slot].clone()

        def undo() -> None:
            if stream not in buffers.streamidx2slotidx:  # a last frame gives its slot back before anything
                buffers.available_slots.queue.remove(slot)
                buffers.streamidx2slotidx[stream], buffers.slotidx2streamidx[slot] = slot, stream
            audio.sample_buffer, audio.left_padding = samples, padding
            buffers.feature_buffer[slot] = features

        return undo

    def forget(self, stream: int) -> None:
        """Free the slots of a stream; NeMo does so only after a last frame."""
        buffers, caches = self.nemo.bufferer, self.nemo.context_manager
        if stream in buffers.streamidx2slotidx:
            buffers.free_slots([buffers.streamidx2slotidx[stream]])
        if stream in caches.streamidx2slotidx:
            caches.reset_slots([stream], [True])


@dataclass(slots=True)
class Buffered:
    """`BufferedRNNTPipeline`: a few seconds of audio for each open stream, and where its decoder is."""

    nemo: Any

    @property
    def chunk_samples(self) -> int:
        """Samples of a step."""
        return round(float(self.nemo.chunk_size) * SAMPLE_RATE)

    @property
    def point_of_no_return(self) -> tuple[Any, str]:
        """The method that writes what a step has found out into the streams."""
        return self.nemo, "decode_step"

    @property
    def stream_bytes(self) -> int:
        """What an open stream holds on the device but for its decoder's state: its audio is elsewhere."""
        return 0

    def parts(self, frames: Sequence[Any]) -> list[list[Any]]:
        """The steps that NeMo makes of one."""
        return [list(frames)]

    def remember(self, stream: int) -> Undo:
        """What puts an open stream back to where it is now."""
        buffers = self.nemo.bufferer.bufferers
        audio, state = buffers[stream], self.nemo.get_state(stream)
        samples, padding = audio.sample_buffer, audio.left_padding  # NeMo replaces the one by another
        decoder = state.hyp_decoding_state

        def undo() -> None:
            buffers[stream] = audio
            audio.sample_buffer, audio.left_padding = samples, padding
            state.hyp_decoding_state = decoder

        return undo

    def forget(self, stream: int) -> None:
        """Free the audio of a stream; NeMo does so only after a last frame."""
        self.nemo.bufferer.rm_bufferer(stream)


class NemoPipeline:
    """One of the two on a device. Streams are told apart by their numbers."""

    def __init__(self, checkpoint: NemoCheckpoint, device: str, streams: int, chunk_ms: int | None) -> None:
        config = getattr(parakeet_config, checkpoint.kind)(checkpoint, device, streams, chunk_ms)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about NeMo's modules
            self._nemo = PipelineBuilder.build_pipeline(OmegaConf.create(config))
        self._kind = CacheAware(self._nemo) if checkpoint.kind == "cache_aware" else Buffered(self._nemo)
        if checkpoint.kind == "buffered":
            _honour_normalization(self._nemo, checkpoint.normalize)
        self._moved = False
        self._watch(*self._kind.point_of_no_return)
        self.chunk_samples, self.stream_bytes = self._kind.chunk_samples, self._kind.stream_bytes
        self.parts = self._kind.parts

    @property
    def tokenizer(self) -> Any:
        """The checkpoint's."""
        return self._nemo.tokenizer

    @property
    def model(self) -> Any:
        """NeMo's model, as it transcribes offline."""
        return self._nemo.asr_model.asr_model

    def step(self, frames: Sequence[Any]) -> list[Any]:
        """The outputs of one step, of one frame of each stream.

        Raises:
            DeviceLost: CUDA has failed, and fails from here on.
            StreamsLost: it failed half-way, and its streams are gone.
            Exception: what NeMo raised; the streams are where they were, new ones are not open.
        """
        undo = [self._kind.remember(frame.stream_id) for frame in frames if not frame.is_first]
        self._moved = False
        try:
            return list(self._nemo.transcribe_step(list(frames)))
        except Exception as error:
            if isinstance(error, torch.AcceleratorError) and "out of memory" not in str(error):
                raise DeviceLost(str(error).partition("\n")[0]) from error
            lost = [frame for frame in frames if frame.is_first or self._moved]
            if not self._moved:
                for put_back in undo:
                    put_back()
            for frame in lost:
                self.forget(frame.stream_id)
            if self._moved:
                raise StreamsLost(f"a step failed half-way: {error}") from error
            raise

    def forget(self, stream: int) -> None:
        """Free all of a stream that will not be finished; nothing happens if it is not open."""
        self._kind.forget(stream)
        state = self._nemo.get_state(stream)
        if state is not None and state.has_biasing_request():
            computer = self.model.decoding.decoding.decoding_computer
            state.options.biasing_cfg.remove_from_multi_model(computer.biasing_multi_model)
        self._nemo.delete_state(stream)

    def _watch(self, owner: Any, name: str) -> None:
        """Note when a step gets to the method by which it changes the streams for good."""
        method = getattr(owner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._moved = True
            return method(*args, **kwargs)

        setattr(owner, name, noted)


def _honour_normalization(nemo: Any, normalize: str | None) -> None:
    """Normalize features as the checkpoint was trained; NeMo does it `per_feature` whatever that says."""
    if normalize == "per_feature":
        return

    def preprocess(buffers: Any, buffer_lens: Any, expected_feature_buffer_len: int) -> tuple[Any, Any]:
        features, lengths = nemo.preprocessor(input_signal=buffers, length=buffer_lens)
        features = drop_trailing_features(features, expected_feature_buffer_len)
        features = normalize_batch(features, lengths, normalize or "NA")[0]
        return features, lengths.clamp(max=features.shape[2])

    nemo.preprocess = preprocess
    if nemo.zero_encoded is not None:
        with torch.inference_mode():
            nemo.zero_encoded = nemo.init_zero_enc()
