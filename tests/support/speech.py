"""Knows real recordings, what is said in them, and how far a transcript is from it."""

import re
from functools import cache
from pathlib import Path
from typing import TypeAlias

import jiwer
import numpy as np
import numpy.typing as npt
import soundfile

from tests.support.recordings import BECKETT, recording

__all__ = ["BECKETT", "TWO_CITIES", "dense", "samples", "word_error_rate", "words", "write_wav"]

Samples: TypeAlias = npt.NDArray[np.int16]

TWO_CITIES = """It was the best of times, it was the worst of times, it was the age of wisdom, it was
the age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season
of Light, it was the season of Darkness, it was the spring of hope, it was the winter of despair, we had
everything before us, we had nothing before us, we were all going direct to Heaven, we were all going
direct the other way, in short, the period was so far like the present period, that some of its noisiest
authorities insisted on its being received, for good or for evil, in the superlative degree of comparison
only."""


@cache
def samples(name: str) -> Samples:
    """A recording of the moonshine-voice wheel as 16 kHz mono s16le."""
    return np.clip(recording(name) * 32768, -32768, 32767).astype("<i2")


def dense(name: str, window: int = 480, floor: int = 150, margin: int = 3) -> Samples:
    """The recording with its pauses cut short: 30 ms windows louder than `floor`, and three beside each."""
    audio = samples(name)
    blocks = audio[: len(audio) // window * window].reshape(-1, window)
    loud = np.sqrt((blocks.astype(np.float32) ** 2).mean(axis=1)) > floor
    kept = np.convolve(loud, np.ones(2 * margin + 1), "same") > 0
    return np.ascontiguousarray(blocks[kept].reshape(-1))


def words(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return re.findall(r"[a-z']+", text.lower())


def word_error_rate(reference: str, text: str) -> float:
    """Word error rate, of lower-case words without punctuation."""
    return float(jiwer.wer(" ".join(words(reference)), " ".join(words(text)) or "-"))


def write_wav(path: Path, audio: Samples) -> Path:
    """The samples as a file."""
    soundfile.write(path, audio, 16_000, subtype="PCM_16")
    return path
