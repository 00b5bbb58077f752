"""Finds in windows of 10 s who of up to three people speaks in each frame.

The people of a window are numbered by chance: that one is the same as in another window must be found out by
their voices.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engines.base import Floats
from engines.diarization.base import Samples
from engines.diarization.onnx_model import OnnxModel

Flags: TypeAlias = npt.NDArray[np.bool_]
Spans: TypeAlias = list[tuple[int, int]]

RATE: Final = 16_000  # Samples a second.
FILE: Final = "pyannote_segmentation_3.0.onnx"
WINDOW: Final = 160_000  # Samples (10 s) of a window, as the network demands.
FRAMES: Final = 589  # Frames of a window.
HOP: Final = 270  # Samples (17 ms) between two frames.
CENTER: Final = 495  # Samples from the start of a window to the middle of its first frame.
STEP: Final = 177  # Frames (3 s) between two windows: most moments are seen in three of them.
PEOPLE: Final = 3  # Of a window.
CLASSES: Final = np.array(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.bool_
)
"""Who speaks, by the class that the network finds for a frame."""


@dataclass(frozen=True, slots=True)
class Window:
    """Who speaks in each frame of a window; `first` is the number of its first frame in the recording."""

    number: int
    first: int
    speaking: Flags  # [frames, 3], up to the end of the recording.

    @property
    def alone(self) -> Flags:
        """In which frames which of the three is the only one who speaks."""
        return np.asarray(self.speaking & (self.speaking.sum(axis=1) == 1)[:, None])


class Segmentation:
    """The network.

    Raises:
        StartupError: it can't be loaded.
    """

    def __init__(self, threads: int) -> None:
        self._model = OnnxModel(FILE, threads)

    def windows(self, audio: Samples) -> Iterator[tuple[Window, Floats]]:
        """Each window, with its audio [160000], in order; silence fills up the last one."""
        total = count_frames(len(audio))
        for number in range(count_windows(len(audio))):
            first = number * STEP
            sound = np.zeros(WINDOW, np.float32)
            part = audio[first * HOP : first * HOP + WINDOW]
            sound[: len(part)] = part
            classes = self._model(sound[None, None])[0].argmax(axis=1)
            yield Window(number, first, CLASSES[classes[: max(0, total - first)]]), sound


def count_windows(samples: int) -> int:
    """The windows in so many samples."""
    return 1 + max(0, ceil((samples - WINDOW) / (STEP * HOP)))


def count_frames(samples: int) -> int:
    """The frames whose middle is among so many samples."""
    return max(0, (samples - CENTER + HOP - 1) // HOP)


def seconds_at(frame: int) -> float:
    """When a frame begins."""
    return max(0.0, (frame * HOP + CENTER - HOP / 2) / RATE)


def spans_of(flags: Flags) -> Spans:
    """The first frame of each run of set flags, and the one behind its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]
