"""Defines the interface of a diarizer: what it gets, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from engines.base import Floats

OnProgress: TypeAlias = Callable[[float], None]
"""A function that gets how much is done, in percent. It may raise, and so end the work."""

SAME_VOICE: Final = 0.6
"""How alike two vectors of voices must be, of 6 s of speech each, so that nobody is taken for another one.

docs/performance.md has the curve: other people's are alike to 0.44 at most, of 3 s of speech each.
"""


class NoVoice(Exception):
    """Nobody is heard to speak alone in a recording, so there is no voice to know again."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A time, in seconds, in which a speaker speaks.

    Speakers are numbered from 0 in the order of their first turn. With `overlap` somebody else speaks too,
    all the time.
    """

    start: float
    end: float
    speaker: int
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class Diarization:
    """The turns in order of time, and for each speaker a vector of length 1, by which the voice is known."""

    turns: tuple[Turn, ...] = ()
    voices: tuple[Floats, ...] = ()


class Samples(Protocol):
    """Audio of which parts are read as they are needed; an array is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Floats: ...


class Diarizer(Protocol):
    """A model that finds who speaks when, and knows voices again. Audio is mono float32 at 16 kHz, -1..1."""

    @property
    def name(self) -> str:
        """What it is; vectors of voices compare only where they were made by one of the same name."""
        ...

    def diarize(self, audio: Samples, on_progress: OnProgress, speakers: int | None = None) -> Diarization:
        """The turns in audio of any length; `speakers` is their number, where somebody knows it.

        Beside the audio itself, memory hardly grows with its length.
        """
        ...

    def embed(self, audio: Floats) -> Floats:
        """The vector of the one voice in a recording, of length 1: voices are alike as their product is high.

        Raises:
            NoVoice: nobody speaks in it.
        """
        ...


def as_numbers(voice: Floats) -> tuple[float, ...]:
    """A vector of a voice as it is kept: six digits are more than two recordings have in common."""
    return tuple(round(float(each), 6) for each in voice)
