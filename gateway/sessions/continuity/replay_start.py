"""Computes where another worker has to begin, so that no word is lost and none is said twice.

All times are seconds on the session's clock.
"""

import math
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from broker.checkpoint_record import ContinuityState
from dalston_realtime.protocol.audio import SAMPLE_RATE
from gateway.sessions.continuity.speech_spans import SAME_S
from runtime.worker_link import MAX_OVERLAP_S, MAX_UTTERANCE_S, PREROLL_S, WINDOW_S, ResumePoint

LEAD_S: Final = 0.5  # Seconds before an utterance that a VAD without memory needs to find its start.
LONGEST_S: Final = MAX_UTTERANCE_S + 1.0  # Seconds: older audio is part of no utterance without a final.


@dataclass(frozen=True, slots=True)
class ReplayStart:
    """The time `at` where the next worker begins, and what it has to know of the session so far.

    Where channels are transcribed apart, this is the first one's, and `others` has those of the others.
    """

    at: float
    utterance: int
    previous_words: tuple[str, ...]
    overlaps: bool
    stable_words: tuple[str, ...]
    partial_shown: bool
    age: float = 0.0  # Seconds since the session began.
    others: tuple["ReplayStart", ...] = ()

    @property
    def audio_at(self) -> float:
        """Where the audio begins that the next worker has to get."""
        return min(each.at for each in (self, *self.others))

    def resume_point(self, clock: int, replayed: int) -> ResumePoint:
        """The same for the worker: the audio begins at sample `clock`, and what is older than `replayed`
        comes at once; both at 16 kHz."""
        first, *others = (self._point(each, clock, replayed) for each in (self, *self.others))
        return replace(first, others=tuple(others))

    def _point(self, channel: "ReplayStart", clock: int, replayed: int) -> ResumePoint:
        is_ahead = channel.at > self.audio_at
        return ResumePoint(
            clock=max(clock, round(channel.at * SAMPLE_RATE)) if is_ahead else clock,
            replayed=replayed,
            utterance=channel.utterance,
            previous_words=channel.previous_words,
            overlaps=channel.overlaps,
            stable_words=channel.stable_words,
            partial_shown=channel.partial_shown,
            age=self.age,
        )


def find_replay_start(state: ContinuityState, first_start: float | None) -> ReplayStart:
    """Where the next worker begins; `first_start` is that of the first utterance without a final."""
    at, overlaps = _start(state, first_start)
    return ReplayStart(
        _align(at, state.end, overlaps),
        state.utterance,
        tuple(state.previous_words.split()),
        overlaps,
        tuple(state.stable_words.split()),
        state.partial_start is not None,
    )


def replay_from(state: ContinuityState, first_start: float | None) -> float:
    """No worker will need the audio before this time, whatever comes next."""
    at = _start(state, first_start)[0]
    return at if at > state.end + SAME_S else max(0.0, at - MAX_OVERLAP_S)


def _start(state: ContinuityState, first_start: float | None) -> tuple[float, bool]:
    """The time, and whether it lies within the last final."""
    if state.partial_start is not None:
        if state.partial_start < state.end - SAME_S:
            return state.partial_start, True
        return max(state.end, state.partial_start - LEAD_S), False
    goes_on = first_start is not None and first_start <= state.end + SAME_S and state.previous_words
    if state.cut or goes_on:
        return max(0.0, state.end - MAX_OVERLAP_S), True
    at = max(state.end, state.processed - LONGEST_S)
    if first_start is not None:
        at = max(at, first_start - PREROLL_S - LEAD_S)
    return at, False


def _align(at: float, last_end: float, overlaps: bool) -> float:
    """`at`, or up to a window earlier, so that the next VAD sees the same windows as the one before."""
    aligned = math.floor((at + SAME_S / 2) / WINDOW_S) * WINDOW_S
    return aligned if overlaps or aligned >= last_end - SAME_S / 2 else at
