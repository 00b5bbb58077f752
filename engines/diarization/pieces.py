"""Cuts what the people of a window say alone into short pieces, and makes a vector of the voice of each.

Pieces are short, because the network that finds who speaks may take two people with like voices for one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from engines.base import Floats
from engines.diarization.fbank import FRAME as SPECTRUM_FRAME
from engines.diarization.fbank import HOP as SPECTRUM_HOP
from engines.diarization.fbank import fbank
from engines.diarization.segmentation import CENTER, HOP, PEOPLE, RATE, Window, spans_of
from engines.diarization.voices import VoiceModel, unit

LENGTH: Final = 118  # Frames (2 s) of a piece at most.
APART: Final = 59  # Frames (1 s) between two pieces of longer speech.
SHORTEST: Final = 18  # Frames (0.3 s) of a piece at least: of less a voice can't be known.


@dataclass(frozen=True, slots=True)
class VoicePiece:
    """Speech of one person of a window, from frame `start` of the window to before frame `end`.

    `context` is the mean voice of that person in the window.
    """

    window: int
    person: int
    start: int
    end: int
    voice: Floats
    context: Floats

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.start) * HOP / RATE

    @property
    def middle(self) -> float:
        """The frame of the window in its middle."""
        return (self.start + self.end) / 2


def pieces_of(window: Window, sound: Floats, model: VoiceModel) -> Iterator[VoicePiece]:
    """The pieces of a window, person by person."""
    alone = window.alone
    if not alone.any():
        return
    spectrum = fbank(sound)
    middles = np.arange(len(spectrum)) * SPECTRUM_HOP + SPECTRUM_FRAME // 2
    frames = np.rint((middles - CENTER) / HOP)
    for person in range(PEOPLE):
        cuts = [cut for span in spans_of(alone[:, person]) for cut in cut_span(*span)]
        spectra = [spectrum[(frames >= start) & (frames < end)] for start, end in cuts]
        voices = [model.embed(each) for each in spectra]
        if not voices:
            continue
        context = unit(
            np.sum([(end - start) * v for (start, end), v in zip(cuts, voices, strict=True)], axis=0)
        )
        for (start, end), voice in zip(cuts, voices, strict=True):
            yield VoicePiece(window.number, person, start, end, voice, context)


def cut_span(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces of a span of frames, of which each overlaps the next; none if the span is too short."""
    if end - start < SHORTEST:
        return
    at = start
    while at + LENGTH + APART // 2 < end:
        yield at, at + LENGTH
        at += APART
    yield (max(start, end - LENGTH) if at > start else start), end
