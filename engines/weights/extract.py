"""Extracts the weights of Silero VAD from its wheel: `python -m engines.weights.extract`.

The wheel `silero-vad` demands torch, which takes gigabytes and which no process of the server uses. So its
weights stand beside this file, and only who makes them again installs the wheel (`[dev]`).
"""

from pathlib import Path
from typing import Final

import numpy as np

from engines.silero import WEIGHTS, Weights
from runtime.wheels import folder_of

WHEEL: Final = "silero-vad==6.2.3"
SOURCE: Final = "silero_vad_16k_op15.onnx"
SPECTRUM: Final = "stft.forward_basis_buffer"  # a Hann window's Fourier transform, which numpy computes


def extract() -> Weights:
    """The weights by the names that they have in the ONNX file, less the prefix `model.`.

    Raises:
        StartupError: the wheel is not installed.
    """
    import onnx

    graph = onnx.load(str(folder_of("silero_vad", WHEEL) / "data" / SOURCE)).graph
    found = {t.name.removeprefix("model."): onnx.numpy_helper.to_array(t) for t in graph.initializer}
    return {name: array for name, array in found.items() if name != SPECTRUM}


def write(path: Path = WEIGHTS) -> None:
    """Write the file that `SileroVad` reads; the same weights make the same bytes."""
    np.savez(path, allow_pickle=False, **extract())


if __name__ == "__main__":
    write()
