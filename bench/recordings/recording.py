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
class Recording:
    """A recording of 16 kHz mono s16le, and what is known of it; times in seconds.

    `text` is the reference text, None where there is none. `words` are those that an offline pass recognized.
    """

    name: str
    pcm: bytes
    text: str | None
    words: tuple[Word, ...]
    speech_start: float
    speech_end: float

    @property
    def seconds(self) -> float:
        """The length of the audio."""
        return len(self.pcm) / BYTES_PER_SECOND


def read_pcm(path: Path) -> bytes:
    """Read a file's audio as 16 kHz mono s16le.

    Raises:
        AudioError: it is not there or not audio.
    """
    with open_audio(path) as file:
        return b"".join(file.chunks)
