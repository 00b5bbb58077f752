"""Holds the rules by which utterances begin and end, for all stages that need them."""

from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.audio import SAMPLE_RATE

MS: Final = SAMPLE_RATE // 1000  # samples
LEAST, MOST = 150 * MS, 800 * MS  # no wait is shorter or longer
UNREAD: Final = 500 * MS  # until the text is known: its final comes no sooner either
SILENT: Final = 300 * MS  # where the text says nothing: what others wait by default


def samples(ms: float) -> int:
    """Milliseconds as samples."""
    return round(ms * SAMPLE_RATE / 1000)


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """When speech begins, ends, and is cut; times in samples.

    The two thresholds are those of silero-vad's own iterator (0.5, and 0.15 below it).
    """

    speech: float = 0.5  # a window with at least this probability is speech
    silence: float = 0.35  # one below this is silence; between the two nothing changes
    min_speech: int = samples(64)  # shorter sounds are no speech
    preroll: int = samples(256)  # decoded before the first speech window: soft onsets
    # Silences after which the likely final is decoded ahead. With the first it is heard worse (in A Tale of
    # Two Cities 6 wrong words of 119, not 3): that is for a flush that comes before the other is decoded.
    early: int = samples(64)
    maybe: int = samples(96)
    max_utterance: int = samples(12_000)  # then it is cut, so that nobody pays for talking long
    cut_search: int = samples(3_000)  # the quietest point is looked for in the last part of it
    overlap: tuple[int, int] = (samples(300), samples(1_200))  # before a cut that is not in a pause
    pause: float = 0.01  # energy against the utterance's median (-20 dB) below which a point is a pause
