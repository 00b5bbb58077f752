"""Scores one playback: how late the text came, how much of it is right, and how often it changed.

All delays are seconds since the chunk with the sound in question left the client.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.load.chunks import CHUNK_S
from bench.load.playback import DisplayedText, Playback
from bench.measure.cut_sentences import cut_sentences
from bench.measure.text_changes import count_changes
from bench.measure.word_errors import word_errors
from bench.recordings.recording import Recording
from bench.recordings.words import normalized

LATE_S: Final = 5.0  # Seconds; a text that is complete later is of no use to somebody who waits for it.
MIN_SLOPE_S: Final = 8.0  # Seconds; in a shorter recording one slow word looks like a growing lag.
MIN_SLOPE_WORDS: Final = 6  # Words; through fewer points a line says nothing.


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one playback; None where there is nothing to measure.

    `failed`: an error, no text, or a text that still changed after `LATE_S`. `late`: not all of it was final
    by then. `time_to_final` and `time_to_settle` are from the end of speech to the last change of the final
    text, and of all displayed text. `first_partial` is from the start of speech to the first text.
    `word_latency` has the delay of each word, final or not, and `word_ends` when these words end in the
    recording. `lag_slope` is the growth of the word latency in s per s. `shown_words` and `taken_back` count
    the words that appeared, and that disappeared again. `cut_sentences` counts finals that end inside a
    sentence.
    """

    session: int
    recording: str
    began: float
    seconds: float
    connected: float
    client_late: float
    text: str
    error: str | None
    failed: bool
    late: bool
    time_to_final: float | None = None
    time_to_settle: float | None = None
    first_partial: float | None = None
    word_latency: tuple[float, ...] = ()
    word_ends: tuple[float, ...] = ()
    lag_slope: float | None = None
    shown_words: int = 0
    taken_back: int = 0
    word_errors: int | None = None
    reference_words: int | None = None
    cut_sentences: int | None = None


def leaves_at(seconds: float) -> float:
    """When the chunk with this moment of the recording leaves: as soon as its last sample is recorded."""
    return (int(seconds / CHUNK_S - 1e-9) + 1) * CHUNK_S


def score_playback(playback: Playback) -> Score:
    """Compute the figures of one playback."""
    recording = playback.recording
    displayed = [each for each in playback.displayed if each.text]
    text = displayed[-1].text if displayed else ""
    wrong, total = (None, None) if recording.text is None else word_errors(recording.text, text)
    settled = (
        _last_change(displayed, lambda each: each.text) - leaves_at(recording.speech_end)
        if displayed
        else None
    )
    final = _time_to_final(displayed, recording) if displayed else None
    seen = list(_first_seen(recording, displayed))
    ends, delays = tuple(end for end, _ in seen), tuple(round(delay, 3) for _, delay in seen)
    changes = count_changes(each.text for each in displayed)
    return Score(
        session=playback.session,
        recording=recording.name,
        began=round(playback.began, 3),
        seconds=round(recording.seconds, 3),
        connected=round(playback.connected, 3),
        client_late=round(playback.client_late, 4),
        text=text,
        error=playback.error or (None if displayed else "no text"),
        failed=playback.error is not None or settled is None or settled > LATE_S,
        late=final is None or bool(displayed[-1].partial) or final > LATE_S,
        time_to_final=_rounded(final),
        time_to_settle=_rounded(settled),
        first_partial=_rounded(displayed[0].at - leaves_at(recording.speech_start) if displayed else None),
        word_latency=delays,
        word_ends=ends,
        lag_slope=slope(ends, delays) if recording.seconds >= MIN_SLOPE_S else None,
        shown_words=changes.shown,
        taken_back=changes.all_taken_back,
        word_errors=wrong,
        reference_words=total,
        cut_sentences=cut_sentences(recording, playback.finals),
    )


def _time_to_final(displayed: Sequence[DisplayedText], recording: Recording) -> float:
    """The time to final; where the end of the text never became final, the time to settle."""
    unfinished = bool(displayed[-1].partial)
    last = _last_change(displayed, lambda each: each.text if unfinished else each.final)
    return last - leaves_at(recording.speech_end)


def _last_change(displayed: Sequence[DisplayedText], what: Callable[[DisplayedText], str]) -> float:
    """When `what` became as it is at the end; changes of case and punctuation do not count."""
    goal, since = normalized(what(displayed[-1])), displayed[-1].at
    for each in reversed(displayed):
        if normalized(what(each)) != goal:
            break
        since = each.at
    return since


def _first_seen(recording: Recording, displayed: Sequence[DisplayedText]) -> Iterator[tuple[float, float]]:
    """Yield the end of each word that was displayed, and the delay until it was first displayed.

    A word counts only when it has been spoken: what a model predicts is not measured.
    """
    words = [normalized(word).replace(" ", "") for word, _, _ in recording.words]
    seen: list[float | None] = [None] * len(words)
    before: list[str] = []
    for each in displayed:
        recognized = normalized(each.text).split()
        if recognized == before:
            continue
        before = recognized
        spoken = sum(leaves_at(start) <= each.at for _, start, _ in recording.words)
        matcher = difflib.SequenceMatcher(None, words[:spoken], recognized, autojunk=False)
        for block in matcher.get_matching_blocks():
            for k in range(block.a, block.a + block.size):
                seen[k] = each.at if seen[k] is None else seen[k]
    for (_, _, end), at in zip(recording.words, seen, strict=True):
        if at is not None:
            yield end, at - leaves_at(end)


def slope(at: Sequence[float], delays: Sequence[float]) -> float | None:
    """The least-squares slope of the delays, s per s; None for too few."""
    if len(at) < MIN_SLOPE_WORDS or max(at) - min(at) < 1.0:
        return None
    return round(float(np.polyfit(at, delays, 1)[0]), 5)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
