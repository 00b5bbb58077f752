"""Checks which pieces are of one speaker, with voices that are made up."""

import numpy as np
import pytest

from engines.base import Floats
from engines.diarization.pieces import VoicePiece
from engines.diarization.segmentation import HOP, RATE
from engines.diarization.speakers import speakers_of

PIECE: int = 89  # Frames (1.5 s) of a piece.


def voice(likeness: float) -> Floats:
    """A vector that is so much alike to that of likeness 1."""
    return np.array([likeness, np.sqrt(1 - likeness**2), 0.0], np.float32)


def said(voice: Floats, count: int) -> list[VoicePiece]:
    """So many pieces of one voice."""
    return [VoicePiece(at, 0, 0, PIECE, voice, voice) for at in range(count)]


@pytest.mark.parametrize(
    ("likeness", "seconds", "speakers"),
    [(0.5, 9.0, 2), (0.5, 4.5, 1), (0.7, 9.0, 1), (0.2, 4.5, 2)],
)
def test_voices_that_are_a_little_alike_are_one_until_both_are_known_well(
    likeness: float, seconds: float, speakers: int
) -> None:
    count = round(seconds * RATE / HOP / PIECE)
    found = speakers_of([*said(voice(1.0), count), *said(voice(likeness), count)])
    assert len(set(found)) == speakers
