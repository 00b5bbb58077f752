"""Makes vectors of voices, which are alike where it is the same voice."""

from typing import Final

import numpy as np

from engines.base import Floats
from engines.diarization.fbank import fbank
from engines.diarization.onnx_model import OnnxModel

FILE: Final = "campplus_zh_en_16k.onnx"
LEAST_FRAMES: Final = 10  # Frames (100 ms) of a spectrum: of fewer the network makes nothing of use.


class VoiceModel:
    """The network CAM++.

    Raises:
        StartupError: it can't be loaded.
    """

    def __init__(self, threads: int) -> None:
        self._model = OnnxModel(FILE, threads)

    def embed(self, spectrum: Floats) -> Floats:
        """The vector [192], of length 1, of a spectrum [frames, 80] as `fbank` makes it."""
        if len(spectrum) < LEAST_FRAMES:
            raise ValueError(f"{len(spectrum)} frames are too few")
        centered = spectrum - spectrum.mean(axis=0)
        return unit(self._model(centered[None])[0])

    def embed_audio(self, audio: Floats) -> Floats:
        """The vector of audio."""
        return self.embed(fbank(audio))


def unit(vector: Floats) -> Floats:
    """The vector at length 1."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)
