"""What a client saw of one recording in; what a person would say of it out: delays, errors, steadiness.

All delays are seconds from the moment at which the chunk with the sound in question left the client.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.load.recordings import Recording
from bench.measure.sentences import cut_sentences
from bench.measure.text_errors import errors, plain
from dalston_realtime.client.audio.chunks import CHUNK_MS

CHUNK_S: Final = CHUNK_MS / 1000
LATE_S: Final = 5.0  # a text that stands later than this is of no use to anybody who waits for it
MIN_SLOPE_S: Final = 8.0  # shorter recordings say nothing about a growing lag
MIN_SLOPE_WORDS: Final = 6


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the screen from `at` (s since the first sample) on."""

    at: float
    final: str
    partial: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.final} {self.partial}".strip()


@dataclass(frozen=True, slots=True)
class Playback:
    """One recording that was played, and all that came back. `began` is in seconds since the run began.

    `client_late` is how late the latest chunk left: above some ms it is the client that was measured.
    """

    session: int
    recording: Recording
    began: float
    shown: tuple[Shown, ...]
    client_late: float
    connected: float  # seconds
    error: str | None = None
    finals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one recording that was played; None where there is nothing to measure."""

    session: int
    recording: str
    began: float
    seconds: float
    connected: float
    client_late: float
    text: str
    error: str | None
    failed: bool  # an error, no text, or one that stood later than 5 s
    late: bool  # not marked final within 5 s
    time_to_final: float | None = None  # last change of the final text, from the end of speech
    time_to_settle: float | None = None  # last change of what is shown, final or not
    first_partial: float | None = None  # first text, from the start of speech
    word_latency: tuple[float, ...] = ()  # of each word, final or not
    word_ends: tuple[float, ...] = ()  # when each of these words ended, in seconds of the recording
    lag_slope: float | None = None  # growth of the word latency, s per s
    shown_words: int = 0  # words that appeared on the screen
    taken_back: int = 0  # words that disappeared from it again
    word_errors: int | None = None
    reference_words: int | None = None
    cut_sentences: int | None = None  # finals that end inside a sentence


def leaves_at(seconds: float) -> float:
    """When the chunk with this moment of the recording leaves: when its last sample has been spoken."""
    return (int(seconds / CHUNK_S - 1e-9) + 1) * CHUNK_S


def score(played: Playback) -> Score:
    """What one recording says."""
    recording = played.recording
    shown = [each for each in played.shown if each.text]
    text = shown[-1].text if shown else ""
    wrong, total = (None, None) if recording.text is None else errors(recording.text, text)
    settled = _last_change(shown, lambda each: each.text) - leaves_at(recording.speech_end) if shown else None
    final = _time_to_final(shown, recording) if shown else None
    seen = list(_first_seen(recording, shown))
    ends, delays = tuple(end for end, _ in seen), tuple(round(delay, 3) for _, delay in seen)
    appeared, gone = steadiness([each.text for each in shown])
    return Score(
        session=played.session,
        recording=recording.name,
        began=round(played.began, 3),
        seconds=round(recording.seconds, 3),
        connected=round(played.connected, 3),
        client_late=round(played.client_late, 4),
        text=text,
        error=played.error or (None if shown else "no text"),
        failed=played.error is not None or settled is None or settled > LATE_S,
        late=final is None or bool(shown[-1].partial) or final > LATE_S,
        time_to_final=_rounded(final),
        time_to_settle=_rounded(settled),
        first_partial=_rounded(shown[0].at - leaves_at(recording.speech_start) if shown else None),
        word_latency=delays,
        word_ends=ends,
        lag_slope=slope(ends, delays) if recording.seconds >= MIN_SLOPE_S else None,
        shown_words=appeared,
        taken_back=gone,
        word_errors=wrong,
        reference_words=total,
        cut_sentences=cut_sentences(recording, played.finals),
    )


def _time_to_final(shown: Sequence[Shown], recording: Recording) -> float:
    """Where the end of the text was never marked final, when it was shown for good."""
    unfinished = bool(shown[-1].partial)
    last = _last_change(shown, lambda each: each.text if unfinished else each.final)
    return last - leaves_at(recording.speech_end)


def _last_change(shown: Sequence[Shown], what: Callable[[Shown], str]) -> float:
    """When `what` became what it is at the end; case and punctuation do not count."""
    goal, since = plain(what(shown[-1])), shown[-1].at
    for each in reversed(shown):
        if plain(what(each)) != goal:
            break
        since = each.at
    return since


def _first_seen(recording: Recording, shown: Sequence[Shown]) -> Iterator[tuple[float, float]]:
    """Each word that was shown: its end, and the delay until it was first on the screen.

    A word counts only from when it was spoken: what a model guesses ahead is not measured.
    """
    words = [plain(word).replace(" ", "") for word, _, _ in recording.words]
    seen: list[float | None] = [None] * len(words)
    before: list[str] = []
    for each in shown:
        heard = plain(each.text).split()
        if heard == before:
            continue
        before = heard
        spoken = sum(leaves_at(start) <= each.at for _, start, _ in recording.words)
        matcher = difflib.SequenceMatcher(None, words[:spoken], heard, autojunk=False)
        for block in matcher.get_matching_blocks():
            for k in range(block.a, block.a + block.size):
                seen[k] = each.at if seen[k] is None else seen[k]
    for (_, _, end), at in zip(recording.words, seen, strict=True):
        if at is not None:
            yield end, at - leaves_at(end)


def steadiness(texts: Sequence[str]) -> tuple[int, int]:
    """How many words appeared on the screen, and how many of these the next text took back."""
    appeared = gone = 0
    before: list[str] = []
    for text in texts:
        words = plain(text).split()
        same = 0
        while same < min(len(words), len(before)) and words[same] == before[same]:
            same += 1
        appeared += len(words) - same
        gone += len(before) - same
        before = words
    return appeared, gone


def slope(at: Sequence[float], delays: Sequence[float]) -> float | None:
    """The least-squares slope of the delays, s per s; None of too few."""
    if len(at) < MIN_SLOPE_WORDS or max(at) - min(at) < 1.0:
        return None
    return round(float(np.polyfit(at, delays, 1)[0]), 5)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
