"""Defines a recording: its audio, what is said in it, and when."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from dalston_realtime.client.audio.files import open_audio
from dalston_realtime.protocol.audio import SAMPLE_RATE

BYTES_PER_SECOND: Final = 2 * SAMPLE_RATE  # Of 16-bit mono audio.

Word: TypeAlias = tuple[str, float, float]
"""A word, its start and its end in seconds."""


@dataclass(frozen=True, slots=True)
class TextRecording:
    """Audio of 16 kHz mono s16le, and what is said in it; None where nobody has written that down."""

    name: str
    pcm: bytes
    text: str | None

    @property
    def seconds(self) -> float:
        """The length of the audio."""
        return len(self.pcm) / BYTES_PER_SECOND


@dataclass(frozen=True, slots=True)
class Recording(TextRecording):
    """A recording of which is known when what is said in it; times in seconds.

    `words` are those that an offline pass recognized.
    """

    words: tuple[Word, ...]
    speech_start: float
    speech_end: float


def read_pcm(path: Path) -> bytes:
    """Read a file's audio as 16 kHz mono s16le.

    Raises:
        AudioError: it is not there or not audio.
    """
    with open_audio(path) as file:
        return b"".join(file.chunks)
