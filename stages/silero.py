"""Silero VAD on ONNX Runtime: windows of several sessions in, their speech probabilities out."""

from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from stages.endpointer import WINDOW
from stages.errors import StartupError
from stages.messages import SAMPLE_RATE
from stages.wheels import folder_of

WHEEL: Final = "silero-vad==6.2.3"
CONTEXT: Final = 64  # samples of the window before that the model sees again
Floats: TypeAlias = npt.NDArray[np.float32]


class VadState:
    """What the model remembers of one session."""

    __slots__ = ("context", "hidden")

    def __init__(self) -> None:
        self.hidden: Floats = np.zeros((2, 128), np.float32)
        self.context: Floats = np.zeros(CONTEXT, np.float32)


class SileroVad:
    """The model; one instance serves all sessions of a process.

    Raises:
        StartupError: the weights are missing; says how to get them.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or weights()
        if not path.is_file():
            raise StartupError(f"the VAD's weights are not at {path}; pip install {WHEEL}")
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._model = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def __call__(self, windows: list[Floats], states: list[VadState]) -> Floats:
        """Speech probabilities [B] of B windows of 512 samples (-1..1); the states move on."""
        context = np.stack([s.context for s in states])
        batch = np.concatenate([context, np.stack(windows)], axis=1)
        hidden = np.stack([s.hidden for s in states], axis=1)
        output, hidden = self._model.run(None, {"input": batch, "state": hidden, "sr": self._rate})
        for i, state in enumerate(states):
            state.hidden = hidden[:, i]
            state.context = batch[i, WINDOW:]
        return np.asarray(output[:, 0], np.float32)


def weights() -> Path:
    """Where the silero-vad wheel has its ONNX file.

    Raises:
        StartupError: the wheel is not installed.
    """
    return folder_of("silero_vad", WHEEL) / "data" / "silero_vad.onnx"
