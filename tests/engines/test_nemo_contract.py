"""Tests that the undocumented parts of NeMo that engines/parakeet/nemo.py uses are installed."""

from typing import Any

import pytest
import torch

from engines.parakeet import config as parakeet_config
from engines.parakeet.checkpoint import CheckpointKind, locate
from engines.parakeet.nemo import (
    ASRRequestOptions,
    BiasingRequestItemConfig,
    BoostingTreeModelConfig,
    Frame,
    build_pipeline,
    model_of,
)
from tests.engines.digits import DIGITS, spoken

STREAMS = 2
STREAM = 7


def pipeline_of(kind: CheckpointKind) -> Any:
    """A pipeline of the digits checkpoint in which one stream, with a vocabulary, has done a step."""
    checkpoint = locate(str(DIGITS), kind)
    pipeline = build_pipeline(getattr(parakeet_config, kind)(checkpoint, "cpu", STREAMS, None))
    step(pipeline, seconds_of_step(pipeline), first=True)
    return pipeline


def seconds_of_step(pipeline: Any) -> float:
    """The length of a step, by the name that a pipeline has for it."""
    cache_aware = hasattr(pipeline, "context_manager")
    return float(pipeline.chunk_size_in_secs if cache_aware else pipeline.chunk_size)


def step(pipeline: Any, seconds: float, *, first: bool = False, last: bool = False) -> Any:
    """The output of a step of the stream."""
    samples = round(seconds * 16_000)
    audio = torch.from_numpy(spoken(1)[0].audio[:samples].copy())
    options = None
    if first:
        tree = BoostingTreeModelConfig(key_phrases_list=["nine"], context_score=1.0, depth_scaling=2.0)
        options = ASRRequestOptions(biasing_cfg=BiasingRequestItemConfig(tree, boosting_model_alpha=2.0))
    frame = Frame(audio, STREAM, is_first=first, is_last=last, length=samples, options=options)
    (output,) = pipeline.transcribe_step([frame])
    return output


@pytest.fixture(scope="module")
def cache_aware() -> Any:
    """The cache-aware pipeline with an open stream."""
    return pipeline_of("cache_aware")


@pytest.fixture(scope="module")
def buffered() -> Any:
    """The buffered pipeline with an open stream."""
    return pipeline_of("buffered")


@pytest.fixture(params=["cache_aware", "buffered"])
def pipeline(request: pytest.FixtureRequest) -> Any:
    """Each of the two."""
    return request.getfixturevalue(request.param)


def test_an_output_names_its_stream_and_has_the_texts_and_words(pipeline: Any) -> None:
    output = step(pipeline, seconds_of_step(pipeline))
    assert output.stream_id == STREAM
    assert isinstance(output.final_transcript, str)
    assert isinstance(output.partial_transcript, str)
    assert isinstance(output.final_segments, list)


def test_a_pipeline_has_a_tokenizer_and_a_model_that_transcribes_offline(pipeline: Any) -> None:
    assert callable(pipeline.tokenizer.text_to_ids)
    assert callable(model_of(pipeline).transcribe)
    assert all(isinstance(token, str) for token in model_of(pipeline).joint.vocabulary)


def test_an_open_stream_has_a_state_with_its_boosting_tree(pipeline: Any) -> None:
    state = pipeline.get_state(STREAM)
    assert state.has_biasing_request()
    assert callable(state.options.biasing_cfg.remove_from_multi_model)
    trees = model_of(pipeline).decoding.decoding.decoding_computer.biasing_multi_model
    assert int(trees.model2active.sum()) == 1
    assert callable(pipeline.delete_state)


def test_the_cache_aware_pipeline_has_slots_with_features_and_caches(cache_aware: Any) -> None:
    buffers, caches = cache_aware.bufferer, cache_aware.context_manager
    slot = buffers.streamidx2slotidx[STREAM]
    assert buffers.slotidx2streamidx[slot] == STREAM
    assert slot not in buffers.available_slots.queue
    assert isinstance(buffers.feature_buffer[slot], torch.Tensor)
    assert STREAM in caches.streamidx2slotidx
    assert caches.num_slots == STREAMS
    assert isinstance(caches.cache_last_channel, torch.Tensor)
    assert isinstance(caches.cache_last_time, torch.Tensor)
    assert all(callable(method) for method in (buffers.free_slots, caches.reset_slots, caches.update_cache))


def test_a_step_replaces_the_samples_that_the_cache_aware_pipeline_holds(cache_aware: Any) -> None:
    buffers = cache_aware.bufferer
    audio = buffers.audio_bufferers[buffers.streamidx2slotidx[STREAM]]
    replaces_samples(cache_aware, audio)


def test_the_buffered_pipeline_has_audio_and_a_decoder_state(buffered: Any) -> None:
    assert STREAM in buffered.bufferer.bufferers
    assert buffered.get_state(STREAM).hyp_decoding_state is not None
    methods = (buffered.decode_step, buffered.bufferer.rm_bufferer, buffered.init_zero_enc)
    assert all(callable(method) for method in methods)
    assert callable(buffered.preprocess)
    assert callable(buffered.preprocessor)
    assert hasattr(buffered, "zero_encoded")


def test_a_step_replaces_the_samples_that_the_buffered_pipeline_holds(buffered: Any) -> None:
    replaces_samples(buffered, buffered.bufferer.bufferers[STREAM])


def replaces_samples(pipeline: Any, audio: Any) -> None:
    """Check that a snapshot may hold the samples without a copy: a step writes new ones beside them."""
    samples, before = audio.sample_buffer, audio.sample_buffer.clone()
    assert audio.left_padding is not None
    step(pipeline, seconds_of_step(pipeline))
    assert audio.sample_buffer is not samples
    assert torch.equal(samples, before)
