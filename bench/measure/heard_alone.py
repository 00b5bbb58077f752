"""Decodes each part of a spoken case alone: what the engine hears where nothing is before or behind it."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.recordings.signals import Floats
from bench.recordings.spoken_case import SpokenCase
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Job, UtteranceEngine

LEAD: Final = SAMPLE_RATE // 10  # Samples of silence before a part, as an utterance begins.
REST: Final = SAMPLE_RATE * 3 // 10  # Samples of silence behind it: without them a model may repeat itself.
LONGEST: Final = 6 * SAMPLE_RATE  # Samples of a piece; a small model hears less of longer ones.
SEARCH: Final = 2 * SAMPLE_RATE  # Samples at the end of a piece in which its quietest point is looked for.
BLOCK: Final = SAMPLE_RATE // 50  # Samples whose loudness is compared.


def heard_alone(engine: UtteranceEngine, case: SpokenCase) -> list[str]:
    """What the engine hears in each part, long ones in pieces."""
    sound = case.heard_sound
    return [
        " ".join(_decode(engine, piece) for piece in pieces(sound[part.start : part.end]))
        for part in case.parts
    ]


def _decode(engine: UtteranceEngine, piece: Floats) -> str:
    audio = np.concatenate([np.zeros(LEAD, np.float32), piece, np.zeros(REST, np.float32)])
    (transcript,) = engine.transcribe([Job(audio, language="en")])
    return transcript.text.strip()


def pieces(sound: Floats) -> Iterator[Floats]:
    """Yield the sound in pieces of at most six seconds, cut at quiet points."""
    while len(sound) > LONGEST:
        searched = sound[LONGEST - SEARCH : LONGEST].reshape(-1, BLOCK)
        quietest = int(np.argmin((searched**2).sum(axis=1)))
        at = LONGEST - SEARCH + quietest * BLOCK + BLOCK // 2
        yield sound[:at]
        sound = sound[at:]
    yield sound
