"""Says in which form audio travels, and how much of it one frame may carry."""

from typing import Final

SAMPLE_RATE: Final = 16_000  # Hz, of all audio behind the receiver
BYTES_PER_SAMPLE: Final = 2
