"""Says how long the chunks of audio are that the client sends, whatever they come from."""

from typing import Final

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

CHUNK_MS: Final = 100  # Milliseconds of audio in a chunk: less costs more, more adds to the delay.
CHUNK_BYTES: Final = SAMPLE_RATE * CHUNK_MS // 1000 * BYTES_PER_SAMPLE  # Of one chunk of 16 kHz mono s16le.
