"""Defines what an open recording is, whatever reads it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.errors import AudioError, one_line


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An open recording: `duration` in seconds, None where the format does not say.

    The chunks have `channels` channels, interleaved.
    """

    duration: float | None
    chunks: Iterator[bytes]
    channels: int = 1


def rechunked(blocks: Iterable[bytes], channels: int = 1) -> Iterator[bytes]:
    """Blocks of any length as chunks of 100 ms; the last one may be shorter."""
    pending, size = bytearray(), CHUNK_BYTES * channels
    for block in blocks:
        pending += block
        whole = len(pending) - len(pending) % size
        for start in range(0, whole, size):
            yield bytes(pending[start : start + size])
        del pending[:whole]
    if pending:
        yield bytes(pending)


def unreadable(path: Path | str, error: object) -> AudioError:
    """The error that says why something is not audio."""
    why = getattr(error, "error_string", None) or error
    return AudioError(
        f"{path}: not audio that can be read ({one_line(why, 100).rstrip('.')});"
        " wav, flac, ogg, opus, mp3 and more are"
    )
