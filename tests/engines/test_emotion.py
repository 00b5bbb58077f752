"""Emotions are heard by a checkpoint of transformers; the test makes a tiny one with random weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.emotion.classifier import TransformersClassifier
from runtime.errors import StartupError

LABELS = {0: "calm", 1: "happy", 2: "angry"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    import transformers

    library: Any = transformers
    folder = tmp_path_factory.mktemp("emotion")
    torch.manual_seed(1)
    config = library.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8, 8),
        conv_stride=(5, 4, 4),
        conv_kernel=(10, 8, 4),
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label=LABELS,
        label2id={label: number for number, label in LABELS.items()},
    )
    library.Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    library.Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
    return folder


def test_each_utterance_has_a_label_of_the_model_and_short_ones_have_none(checkpoint: Path) -> None:
    classifier = TransformersClassifier(str(checkpoint))
    rng = np.random.default_rng(1)
    audio = [rng.normal(0, 0.1, samples).astype(np.float32) for samples in (16_000, 3_000, 640_000)]
    first, short, long = classifier.classify(audio)
    assert short is None
    assert first is not None
    assert long is not None
    assert first.label in LABELS.values()
    assert 1 / 3 <= first.score <= 1
    # What is beyond the limit changes nothing, and neither do the others of the call.
    assert classifier.classify([audio[2][:320_000]]) == [long]


@pytest.mark.parametrize("name", ["/nowhere/at/all", "."])
def test_what_is_no_checkpoint_is_said_by_name(name: str, tmp_path: Path) -> None:
    checkpoint = name if name != "." else str(tmp_path)
    with pytest.raises(StartupError, match="DALSTON_EMOTION_MODEL="):
        TransformersClassifier(checkpoint)
