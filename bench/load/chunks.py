"""Cuts audio into the chunks that a client sends in real time."""

from collections.abc import Iterator
from typing import Final

from bench.recordings.recording import BYTES_PER_SECOND
from dalston_realtime.client.audio.chunks import CHUNK_BYTES, CHUNK_MS

CHUNK_S: Final = CHUNK_MS / 1000  # Seconds of audio in a chunk.
TAIL_S: Final = 1.5  # Seconds of silence behind a recording, for a server that waits for silence.


def chunks(pcm: bytes, tail_s: float) -> Iterator[bytes]:
    """Yield the recording, and `tail_s` seconds of silence behind it, in chunks of 100 ms."""
    audio = pcm + bytes(round(tail_s * BYTES_PER_SECOND / 2) * 2)
    for at in range(0, len(audio), CHUNK_BYTES):
        yield audio[at : at + CHUNK_BYTES]
