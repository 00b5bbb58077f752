"""Finds who speaks when, and knows voices again, with the two networks that come with this package."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from engines.base import Floats
from engines.diarization.base import Diarization, NoVoice, OnProgress, Samples
from engines.diarization.clustering import Labels
from engines.diarization.pieces import VoicePiece, pieces_of
from engines.diarization.segmentation import Segmentation, Window, count_windows
from engines.diarization.speakers import speakers_of
from engines.diarization.stitching import turns_of
from engines.diarization.voices import VoiceModel, unit

NAME: Final = "pyannote-segmentation-3.0+campplus-zh-en"

HEARING: Final = 0.97  # Share of the work that is done by the networks; clustering is the rest.
PART: Final = 0.02  # Share of what is left that a part of the clustering is said to do: there may be many.


class EmbeddedDiarizer:
    """Segmentation of pyannote in windows, voices of CAM++, and clustering; on the CPU, without torch.

    Raises:
        StartupError: a network can't be loaded; says what to do.
    """

    def __init__(self, threads: int = 1) -> None:
        self._segmentation = Segmentation(threads)
        self._voices = VoiceModel(threads)

    @property
    def name(self) -> str:
        """What it is; with other weights, voices would not compare with those that are enrolled."""
        return NAME

    def diarize(self, audio: Samples, on_progress: OnProgress, speakers: int | None = None) -> Diarization:
        """The turns in audio, and the voice of each speaker; see `Diarizer`."""
        windows, pieces = self._hear(audio, lambda percent: on_progress(HEARING * percent))
        percent = 100.0 * HEARING

        def move() -> None:
            nonlocal percent
            percent += PART * (100.0 - percent)
            on_progress(percent)

        found = _numbered(windows, pieces, speakers_of(pieces, speakers, move))
        on_progress(100.0)
        return found

    def embed(self, audio: Floats) -> Floats:
        """The vector of the voice that speaks most in a recording; see `Diarizer`."""
        _, pieces = self._hear(audio, lambda _percent: None)
        if not pieces:
            raise NoVoice("nobody is heard to speak alone in it for 0.3 s")
        found = speakers_of(pieces)
        most = np.bincount(found, [piece.seconds for piece in pieces]).argmax()
        return voice_of([piece for piece, speaker in zip(pieces, found, strict=True) if speaker == most])

    def _hear(self, audio: Samples, on_progress: OnProgress) -> tuple[list[Window], list[VoicePiece]]:
        """What the networks find, window by window."""
        windows: list[Window] = []
        pieces: list[VoicePiece] = []
        total = count_windows(len(audio))
        for window, sound in self._segmentation.windows(audio):
            windows.append(window)
            pieces += pieces_of(window, sound, self._voices)
            on_progress(100.0 * len(windows) / total)
        return windows, pieces


def voice_of(pieces: Sequence[VoicePiece]) -> Floats:
    """The mean voice of pieces of one speaker; longer ones count more."""
    return unit(np.sum([piece.seconds * piece.voice for piece in pieces], axis=0))


def _numbered(windows: Sequence[Window], pieces: Sequence[VoicePiece], found: Labels) -> Diarization:
    """The turns, with the speakers numbered in the order in which they begin to speak, and their voices."""
    turns = turns_of(windows, pieces, found)
    numbers: dict[int, int] = {}
    numbered = [replace(t, speaker=numbers.setdefault(t.speaker, len(numbers))) for t in turns]
    voices = [
        voice_of([p for p, s in zip(pieces, found, strict=True) if s == speaker]) for speaker in numbers
    ]
    return Diarization(tuple(numbered), tuple(voices))
