"""Checks that the files of the networks are those that the README names, and small enough to come along."""

import hashlib

import numpy as np
import pytest

from engines.diarization.onnx_model import FOLDER
from engines.weights.diarization.__main__ import CHECKPOINTS
from engines.weights.diarization.graph import CompactGraph


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda each: each.file_name)
def test_the_readme_has_the_hashes(checkpoint: object) -> None:
    readme, name = (FOLDER / "README.md").read_text("utf-8"), getattr(checkpoint, "file_name", "")
    found = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
    assert f"| `{name}` | `{found}` |" in readme
    assert getattr(checkpoint, "sha256", "") in readme


def test_they_take_less_than_12_mb() -> None:
    assert sum((FOLDER / each.file_name).stat().st_size for each in CHECKPOINTS) < 12_000_000


def test_a_weight_of_8_bits_is_off_by_half_a_step_at_most() -> None:
    import onnxruntime

    weight = np.random.default_rng(1).normal(size=(4, 3, 1)).astype(np.float32)
    graph = CompactGraph()
    graph.add("Mul", graph.in_8_bits(weight), "x")
    session = onnxruntime.InferenceSession(graph.serialize(("x", [1]), ("y", [4, 3, 1])))
    (found,) = session.run(None, {"x": np.ones(1, np.float32)})
    steps = np.abs(weight).max(axis=(1, 2), keepdims=True) / 127
    assert (np.abs(found - weight) <= 0.5001 * steps).all()
