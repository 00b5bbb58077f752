"""Names the steps in the `timing` of a result."""

from typing import Final

WORKER_STEPS: Final = (
    "receiver",
    "vad_queue",
    "vad",
    "asr_queue",
    "asr",
    "assembler_queue",
    "assembler",
    "sender_queue",
    "sender",
)
"""Where the time goes in a worker, in the order in which it does."""
