"""Says in which forms audio travels, and how much of it one frame may carry."""

from typing import Final, Literal, TypeAlias

SAMPLE_RATE: Final = 16_000  # Hz of all audio behind the receiver, and of the session's clock in samples.
BYTES_PER_SAMPLE: Final = 2  # Of 16 bit PCM, the form of all audio behind the receiver.

Encoding: TypeAlias = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw", "opus", "container"]

ENCODED_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
"""Bytes of one sample of one channel, of the encodings that are samples; the others are compressed."""

MAX_FRAME_BYTES: Final = 1 << 20  # Bytes of audio in one binary frame of a client: 32 s at 16 kHz.
