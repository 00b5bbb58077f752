"""Reads the real recordings that the wheel moonshine-voice carries beside its model."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from dalston_realtime.protocol.audio import SAMPLE_RATE

BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."


def recording_path(name: str) -> Path:
    """Where a recording is."""
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets" / name


def recording(name: str) -> npt.NDArray[np.float32]:
    """A recording, mono at 16 kHz, -1..1."""
    audio, rate = soundfile.read(recording_path(name), dtype="float32", always_2d=True)
    mono = audio.mean(axis=1, dtype=np.float32)
    return np.asarray(soxr.resample(mono, rate, SAMPLE_RATE), np.float32)


def as_pcm(audio: npt.NDArray[np.float32]) -> bytes:
    """Audio as s16le."""
    return (np.clip(audio, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes()
