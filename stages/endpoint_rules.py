"""Holds the rules by which utterances begin and end, for all stages that need them."""

from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.audio import SAMPLE_RATE
from runtime.worker_link import MAX_OVERLAP_S, PREROLL_S

MS: Final = SAMPLE_RATE // 1000  # Samples in a millisecond.
LEAST: Final = 150 * MS  # Samples: no silence that ends an utterance is shorter, or words are cut.
MOST: Final = 800 * MS  # Samples: none is longer, since somebody waits for the text.
UNREAD: Final = 500 * MS  # Samples of silence while its text is not known: no final comes sooner either.
SILENT: Final = 300 * MS  # Samples of silence where the text says nothing: the protocol's default.


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
    preroll: int = samples(PREROLL_S * 1000)  # decoded before the first speech window: soft onsets
    # Silences after which a speculative final is decoded. The eager one has more errors (in A Tale of Two
    # Cities 6 wrong words of 119, not 3): it serves a flush that comes before the likely one is decoded.
    eager: int = samples(64)
    likely: int = samples(96)
    max_utterance: int = samples(12_000)  # then it is cut, so that nobody pays for talking long
    cut_search: int = samples(3_000)  # the quietest point is looked for in the last part of it
    overlap: tuple[int, int] = (samples(300), samples(MAX_OVERLAP_S * 1000))  # before a cut in speech
    clear_silence: float = 2.0**-11  # peak (-66 dB of full scale) up to which nobody can be heard
    pause: float = 0.01  # energy against the utterance's median (-20 dB) below which a point is a pause
