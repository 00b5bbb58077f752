"""Decodes each part of a spoken case alone: what the engine hears where nothing is before or behind it."""

from typing import Final

from bench.measure.in_pieces import text_in_pieces
from bench.recordings.spoken_case import SpokenCase
from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import UtteranceEngine

LEAD: Final = SAMPLE_RATE // 10  # Samples of silence before a part, as an utterance begins.
REST: Final = SAMPLE_RATE * 3 // 10  # Samples of silence behind it: without them a model may repeat itself.
AROUND: Final = SAMPLE_RATE // 4  # Samples of the case on either side that a part is decoded with as well.
LONGEST: Final = 6 * SAMPLE_RATE  # Samples of a piece; a small model hears less of longer ones.
SEARCH: Final = 2 * SAMPLE_RATE  # Samples at the end of a piece in which its quietest point is looked for.


def heard_alone(engine: UtteranceEngine, case: SpokenCase) -> list[tuple[str, ...]]:
    """What the engine hears in each part, in three ways that are all right.

    A small model may hear a word more or less where there is a little more silence around the same sound. So
    each part is decoded between little and much digital silence, and with what is around it in the case.
    """
    sound = case.heard_sound
    ends = [0, *(part.end for part in case.parts)]
    starts = [*(part.start for part in case.parts[1:]), len(sound)]
    found = []
    for part, before, behind in zip(case.parts, ends, starts, strict=False):
        own = sound[part.start : part.end]
        wider = sound[max(before, part.start - AROUND) : min(behind, part.end + AROUND)]
        ways = ((own, LEAD, REST), (own, 0, 2 * REST), (wider, 0, REST))
        found.append(
            tuple(text_in_pieces(engine, heard, LONGEST, SEARCH, lead, rest) for heard, lead, rest in ways)
        )
    return found
