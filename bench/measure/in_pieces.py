"""Decodes a sound piece by piece where it is longer than a small model hears well."""

from collections.abc import Iterator

import numpy as np

from bench.recordings.signals import Floats
from engines.base import Job, UtteranceEngine
from stages.asr.halves import quietest_between


def text_in_pieces(
    engine: UtteranceEngine, sound: Floats, longest: int, search: int, lead: int, rest: int
) -> str:
    """The text of a sound in pieces of at most `longest` samples.

    A piece is cut at the quietest point of its last `search` samples. `lead` and `rest` are the samples of
    silence before and behind each.
    """
    jobs = [Job(np.pad(piece, (lead, rest)), language="en") for piece in pieces(sound, longest, search)]
    return " ".join(engine.transcribe([job])[0].text.strip() for job in jobs)


def pieces(sound: Floats, longest: int, search: int) -> Iterator[Floats]:
    """Yield the sound in pieces, cut at quiet points."""
    while len(sound) > longest:
        at = quietest_between(sound, longest - search, longest)
        yield sound[:at]
        sound = sound[at:]
    yield sound
