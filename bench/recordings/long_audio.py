"""Makes recordings of any length of those of which the benchmark knows the texts or the speakers."""

from itertools import cycle
from pathlib import Path
from typing import Final

import numpy as np

from bench.recordings.embedded import embedded_recordings
from bench.recordings.spoken_turns import meetings_with_turns
from bench.recordings.text_sets import spontaneous
from dalston_realtime.protocol.audio import SAMPLE_RATE

PAUSE: Final = bytes(2 * SAMPLE_RATE)  # A second of silence between two of them.
WHOLE: Final = (
    "beckett",
    "two_cities",
    "endgame_nagg_nell",
)  # The embedded ones that are not parts of others.
FULL_SCALE: Final = 32_767


def long_audio(folder: Path, seconds: float) -> bytes:
    """So many seconds of 16 kHz s16le: readers, free speech and meetings in turn, again and again.

    Raises:
        UsageError: a package with recordings can't be fetched into `folder`.
    """
    kinds = (_embedded(), [each.pcm for each in spontaneous(folder)], _meetings(folder))
    parts = [part for kind in kinds for part in kind]
    wanted = 2 * round(seconds * SAMPLE_RATE)
    found = bytearray()
    for part in cycle(parts):
        found += part + PAUSE
        if len(found) >= wanted:
            return bytes(found[:wanted])
    return bytes(wanted)


def _embedded() -> list[bytes]:
    return [each.pcm for each in embedded_recordings() if each.name in WHOLE]


def _meetings(folder: Path) -> list[bytes]:
    return [np.rint(each.audio * FULL_SCALE).astype("<i2").tobytes() for each in meetings_with_turns(folder)]
