"""Scores a model on spoken digits: word error rates and times of a step.

Streamed scores go through NeMo's own streaming pipeline, in steps of 160 ms.
"""

import itertools
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
from nemo.collections.asr.inference.streaming.framing.request import Frame
from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
from nemo.collections.asr.metrics.wer import word_error_rate as rate_of_word_errors
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.checkpoints.digits_speech import RATE, Samples

CHUNK = 2_560  # samples: 160 ms, two frames of the encoder
OFFLINE_BATCH = 25


def word_error_rate(hypotheses: list[str], references: list[str]) -> float:
    """Word errors a spoken word, over all utterances together."""
    return float(rate_of_word_errors(hypotheses=hypotheses, references=references))


def decode_offline(model: Any, features: list[Tensor]) -> list[str]:
    """The texts of whole utterances, given as log-mels (bands, frames)."""
    model.eval()
    texts: list[str] = []
    for start in range(0, len(features), OFFLINE_BATCH):
        chosen = [item.T for item in features[start : start + OFFLINE_BATCH]]
        frames = torch.tensor([len(item) for item in chosen])
        signal = pad_sequence(chosen, batch_first=True).transpose(1, 2)
        with torch.inference_mode():
            encoded, lengths = model.encoder(audio_signal=signal, length=frames)
            decoded = model.decoding.rnnt_decoder_predictions_tensor(encoded, lengths)
        texts += [hypothesis.text for hypothesis in decoded]
    return texts


def pipeline_config(checkpoint: Path, streams: int) -> dict[str, Any]:
    """All keys that NeMo reads to build a cache-aware transducer pipeline on a CPU."""
    return {
        "pipeline_type": "cache_aware",
        "asr_decoding_type": "rnnt",
        "log_level": 40,
        "matmul_precision": "highest",
        "asr_output_granularity": "word",
        "return_tail_result": False,
        "enable_itn": False,
        "enable_nmt": False,
        "itn": {"batch_size": 1, "n_jobs": 1, "left_padding_size": 4},
        "asr": {
            "model_name": str(checkpoint),
            "device": "cpu",
            "device_id": 0,
            "compute_dtype": "float32",
            "use_amp": False,
            "decoding": {"strategy": "greedy_batch"},
        },
        "confidence": {
            "exclude_blank": True,
            "aggregation": "mean",
            "method_cfg": {"name": "max_prob"},
        },
        "endpointing": {"stop_history_eou": -1, "residue_tokens_at_end": 0},
        "streaming": {
            "sample_rate": RATE,
            "batch_size": streams,
            "num_slots": streams,
            "att_context_size": None,  # the checkpoint's own
            "use_cache": True,
            "use_feat_cache": True,
            "word_boundary_tolerance": 4,
            "request_type": "frame",
        },
    }


def frames_of(stream: int, samples: Samples) -> Iterator[Frame]:
    """An utterance as frames of 160 ms, the last one filled up with silence."""
    count = max(1, -(-len(samples) // CHUNK))
    padded = torch.from_numpy(np.pad(samples, (0, count * CHUNK - len(samples))))
    for number in range(count):
        last = number == count - 1
        yield Frame(
            samples=padded[number * CHUNK : (number + 1) * CHUNK],
            stream_id=stream,
            is_first=number == 0,
            is_last=last,
            length=len(samples) - number * CHUNK if last else CHUNK,
            options=ASRRequestOptions(),
        )


@dataclass(frozen=True)
class Streamed:
    """What streaming gave: the texts in the order of the utterances, the seconds of full steps."""

    texts: list[str]
    steps: list[float]

    @property
    def median_step(self) -> float:
        """In milliseconds."""
        return 1_000 * statistics.median(self.steps)


def stream(pipeline: Any, utterances: list[Samples], streams: int) -> Streamed:
    """Streams utterances, so many at a time; when one ends, the next one begins."""
    texts, seconds = [""] * len(utterances), []
    waiting = (frames_of(number, samples) for number, samples in enumerate(utterances))
    active = list(itertools.islice(waiting, streams))
    pipeline.open_session()
    while active:
        frames = [next(frames) for frames in active]
        began = time.perf_counter()
        outputs = pipeline.transcribe_step(frames)
        if len(frames) == streams:
            seconds.append(time.perf_counter() - began)
        for output in outputs:
            texts[output.stream_id] += output.final_transcript
        ended = [frame.is_last for frame in frames]
        active = [frames for frames, over in zip(active, ended, strict=True) if not over]
        active += itertools.islice(waiting, streams - len(active))
    pipeline.close_session()
    return Streamed([text.strip() for text in texts], seconds)


def build_pipeline(checkpoint: Path, streams: int) -> Any:
    """NeMo's streaming pipeline over a checkpoint, for so many streams in a step."""
    return PipelineBuilder.build_pipeline(OmegaConf.create(pipeline_config(checkpoint, streams)))


def evaluate(checkpoint: Path, utterances: list[Samples], references: list[str]) -> dict[str, float]:
    """All scores of a checkpoint: shares of words for WER, milliseconds for steps."""
    pipeline = build_pipeline(checkpoint, streams=4)
    offline = pipeline.asr_model.asr_model.transcribe(utterances, batch_size=1, verbose=False)
    alone, together = stream(pipeline, utterances, 1), stream(pipeline, utterances, 4)
    return {
        "utterances": len(utterances),
        "words": sum(len(reference.split()) for reference in references),
        "wer_offline": word_error_rate([hypothesis.text for hypothesis in offline], references),
        "wer_streamed_1": word_error_rate(alone.texts, references),
        "wer_streamed_4": word_error_rate(together.texts, references),
        "texts_that_differ_between_1_and_4": sum(map(str.__ne__, alone.texts, together.texts)),
        "step_ms_1": alone.median_step,
        "step_ms_4": together.median_step,
    }
