"""Reads real speech from the wheel moonshine-voice==0.1.0, at 16 kHz, and transcribes it."""

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from tests.support.recordings import recording

UTTERANCES = (
    ("two_cities", 1.0, 4.9),  # It was the best of times, it was the worst of times.
    ("two_cities", 21.0, 24.3),  # We had everything before us, we had nothing before us.
    ("two_cities", 32.6, 42.0),  # In short, the period was so far like the present period ...
    ("beckett", 1.7, 3.1),  # Ever failed.
    ("endgame_nagg_nell", 0.0, 10.0),
)


def cut(name: str, start: float, end: float) -> Floats:
    """Seconds `start` to `end` of a recording."""
    return recording(f"{name}.wav")[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


def utterances() -> list[Floats]:
    """Short and long ones."""
    return [cut(*utterance) for utterance in UTTERANCES]


def noise(seconds: float, level: float) -> Floats:
    """White noise; the same every time."""
    samples = np.random.default_rng(1).standard_normal(round(seconds * SAMPLE_RATE))
    return (samples * level).astype(np.float32)
