"""Makes the configuration of NeMo's `PipelineBuilder`, whose files are not in NeMo's wheel."""

from typing import Any, Final

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.parakeet.checkpoint import NemoCheckpoint

CHUNK_MS: Final = 800  # Milliseconds of new audio in one step of a buffered checkpoint.
LEFT_SECONDS: Final = 5.6  # Seconds before the chunk that a buffered checkpoint encodes again.
RIGHT_SECONDS: Final = 1.6
"""Seconds after the chunk that a buffered checkpoint needs for its words, as in NeMo's own configuration.

A partial has the words of that audio too, which the next step may still change.
"""
MAX_SYMBOLS: Final = 10  # Tokens of one frame, as in NeMo's own configuration.


def cache_aware(
    checkpoint: NemoCheckpoint, device: str, streams: int, chunk_ms: int | None
) -> dict[str, Any]:
    """The configuration for an encoder with a cache: each step encodes its chunk alone.

    Raises:
        StartupError: the checkpoint was not trained for steps of `chunk_ms`.
    """
    streaming = {
        "num_slots": streams,
        "att_context_size": list(checkpoint.context_for(chunk_ms)),
        "use_cache": True,
        "use_feat_cache": True,
    }
    # CUDA graphs are off, as in NeMo's own configuration of this pipeline.
    return _common(checkpoint, device, streams, "cache_aware", streaming, cuda_graphs=False)


def buffered(checkpoint: NemoCheckpoint, device: str, streams: int, chunk_ms: int | None) -> dict[str, Any]:
    """The configuration for any other encoder: each step encodes the last seconds again."""
    streaming = {
        "chunk_size": (chunk_ms or CHUNK_MS) / 1000,
        "left_padding_size": LEFT_SECONDS,
        "right_padding_size": RIGHT_SECONDS,
        "stateful": True,  # The decoder continues from its last state; per-stream biasing needs that.
        "padding_mode": "right",
    }
    return _common(checkpoint, device, streams, "buffered", streaming, cuda_graphs=True)


def _common(
    checkpoint: NemoCheckpoint,
    device: str,
    streams: int,
    pipeline: str,
    streaming: dict[str, Any],
    *,
    cuda_graphs: bool,
) -> dict[str, Any]:
    return {
        "pipeline_type": pipeline,
        "asr_decoding_type": "rnnt",
        "log_level": 40,
        "matmul_precision": "high" if device == "cuda" else "highest",
        "asr_output_granularity": "word",
        "return_tail_result": True,
        "lang": None,
        "enable_itn": False,
        "enable_nmt": False,
        "itn": {"batch_size": 1, "n_jobs": 1, "left_padding_size": 4},
        "asr": _model(checkpoint, device, cuda_graphs=cuda_graphs),
        "confidence": {
            "exclude_blank": True,  # The only value that the streaming pipelines support.
            "aggregation": "mean",
            "method_cfg": {"name": "max_prob"},
        },
        "endpointing": {"stop_history_eou": -1, "residue_tokens_at_end": 0},  # The VAD ends utterances.
        "streaming": {
            "sample_rate": SAMPLE_RATE,
            "batch_size": streams,
            "word_boundary_tolerance": 4,
            "request_type": "frame",
            **streaming,
        },
    }


def _model(checkpoint: NemoCheckpoint, device: str, *, cuda_graphs: bool) -> dict[str, Any]:
    return {
        "model_name": str(checkpoint.path),
        "device": device,
        "device_id": 0,
        "compute_dtype": "bfloat16" if device == "cuda" else "float32",
        "use_amp": False,
        "decoding": {
            "strategy": "greedy_batch",
            "greedy": {
                "max_symbols": MAX_SYMBOLS,
                "use_cuda_graph_decoder": cuda_graphs,
                "enable_per_stream_biasing": True,
                "preserve_frame_confidence": True,
            },
        },
    }
