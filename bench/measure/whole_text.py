"""Recognizes a complete recording offline: what an engine can hear where nothing has to be fast."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.recordings.align import floats
from bench.recordings.signals import Floats
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Job, UtteranceEngine
from stages.asr.halves import quietest_between

LONGEST: Final = 15 * SAMPLE_RATE  # Samples of a piece; small models do not transcribe longer ones well.
SEARCH: Final = 7 * SAMPLE_RATE  # Samples at the end of a piece in which its quietest point is looked for.


def whole_text(engine: UtteranceEngine, pcm: bytes) -> str:
    """The text of a recording, s16le at 16 kHz; behind each piece is the silence that the engine wants."""
    rest = np.zeros(engine.rest, np.float32)
    jobs = [Job(np.concatenate((piece, rest)), language="en") for piece in _pieces(floats(pcm))]
    return " ".join(engine.transcribe([job])[0].text.strip() for job in jobs)


def _pieces(sound: Floats) -> Iterator[Floats]:
    while len(sound) > LONGEST:
        at = quietest_between(sound, LONGEST - SEARCH, LONGEST)
        yield sound[:at]
        sound = sound[at:]
    yield sound
