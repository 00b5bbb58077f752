"""Recognizes a complete recording offline: what an engine can hear where nothing has to be fast."""

from typing import Final

from bench.measure.in_pieces import text_in_pieces
from bench.recordings.align import floats
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import UtteranceEngine

LONGEST: Final = 15 * SAMPLE_RATE  # Samples of a piece; small models do not transcribe longer ones well.
SEARCH: Final = 7 * SAMPLE_RATE  # Samples at the end of a piece in which its quietest point is looked for.


def whole_text(engine: UtteranceEngine, pcm: bytes) -> str:
    """The text of a recording, s16le at 16 kHz; behind each piece is the silence that the engine wants."""
    return text_in_pieces(engine, floats(pcm), LONGEST, SEARCH, 0, engine.rest)
