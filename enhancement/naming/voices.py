"""Compares the voices of a recording with those that are enrolled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MARGIN: Final = 0.05
"""Cosine similarity by which the best person must be ahead of the next: who sounds like two is nobody."""


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """An enrolled voice of a person; one person may have several. `embedding` has the length one."""

    name: str
    embedding: Floats


@dataclass(frozen=True, slots=True)
class Recognized:
    """A person, and how similar the voice is: cosine, -1 to 1."""

    name: str
    score: float


def recognize(
    voices: Mapping[str, Floats], known: Sequence[KnownVoice], threshold: float
) -> dict[str, Recognized]:
    """Who the speakers are, by their labels; who is not like an enrolled voice is left out.

    A person is one speaker at most: the most similar one.
    """
    scored = sorted(
        (found for label, voice in voices.items() for found in _candidate(label, voice, known)),
        key=lambda each: (-each[1].score, each[0]),
    )
    named: dict[str, Recognized] = {}
    for label, recognized in scored:
        taken = any(other.name == recognized.name for other in named.values())
        if recognized.score >= threshold and not taken:
            named[label] = recognized
    return named


def _candidate(label: str, voice: Floats, known: Sequence[KnownVoice]) -> list[tuple[str, Recognized]]:
    """The person that a voice is most like, if the next one is well behind."""
    best: dict[str, float] = {}
    for each in known:
        if each.embedding.shape == voice.shape:
            score = float(voice @ each.embedding)
            best[each.name] = max(score, best.get(each.name, -1.0))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < MARGIN):
        return []
    return [(label, Recognized(ranked[0][0], round(ranked[0][1], 4)))]
