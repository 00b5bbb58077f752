"""Recordings to play, with what is said in them and when."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from dalston_realtime.client.audio import SAMPLE_RATE, open_audio

MANIFEST: Final = Path(__file__).parent / "manifest.json"
WHEEL: Final = "moonshine-voice==0.1.0"
EXTENSIONS: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3")
BYTES_PER_SECOND: Final = 2 * SAMPLE_RATE

Word: TypeAlias = tuple[str, float, float]
"""A word, its start and its end in seconds."""


@dataclass(frozen=True, slots=True)
class Recording:
    """16 kHz mono s16le, and what is known of it; times in seconds.

    `text` is what is really said, None where nobody knows. `words` are those that an offline pass found.
    """

    name: str
    pcm: bytes
    text: str | None
    words: tuple[Word, ...]
    speech_start: float
    speech_end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.pcm) / BYTES_PER_SECOND


def read_pcm(path: Path) -> bytes:
    """A file's audio as 16 kHz mono s16le.

    Raises:
        AudioError: it is not there or not audio.
    """
    with open_audio(path) as file:
        return b"".join(file.chunks)
