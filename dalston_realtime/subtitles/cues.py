"""Cuts finals into cues that a person can read: two lines, seven seconds, at clauses, never two at once."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final as Constant

from dalston_realtime.protocol.events import Final, Word

LINE_CHARS: Constant = 42  # Characters of a line, the common limit of subtitles.
CUE_LINES: Constant = 2  # Lines of a cue: more cover the picture.
CUE_SECONDS: Constant = 7.0  # Seconds that a cue stays at most: one that stays longer is read twice.
MOMENT: Constant = 0.001  # Seconds; the shortest cue, which is the precision of the files.
_CLAUSE_END: Constant = (".", "!", "?", ",", ";", ":", "…", "。", "，", "？", "！")


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is shown, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word and when it is said, in seconds; the times may be guessed from the length of the words."""

    text: str
    start: float
    end: float


def cues(finals: Sequence[Final]) -> Iterator[Cue]:
    """The finals as cues: a long one is split between words, behind a clause where that is possible.

    A final without times begins and ends where the one before it ended. A cue begins where the one
    before it ended, at the earliest.
    """
    ended = 0.0
    for final in finals:
        for part in _parts(_timed_words(final, ended)):
            start = round(max(ended, part[0].start), 3)
            ended = round(max(start + MOMENT, min(part[-1].end, start + CUE_SECONDS)), 3)
            yield Cue(start, ended, " ".join(word.text for word in part))


def plain(text: str) -> str:
    """`text` as one line: no control characters, single spaces."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split())


def wrapped(text: str) -> list[str]:
    """The text in lines; a word that is longer than a line stays whole."""
    return textwrap.wrap(text, LINE_CHARS, break_long_words=False, break_on_hyphens=False)


def _timed_words(final: Final, earliest: float) -> list[TimedWord]:
    """The words of a final with the times that the server gave, or with guessed ones."""
    text = plain(final.text)
    words = [word for word in final.words or () if plain(word.word)]
    if " ".join(plain(word.word) for word in words) == text and (timed := _with_times(words)):
        return timed
    start = earliest if final.start is None else max(earliest, final.start)
    return _guessed(text.split(" ") if text else [], start, start if final.end is None else final.end)


def _with_times(words: Sequence[Word]) -> list[TimedWord]:
    """The words; none where one of them has no time."""
    timed = [
        TimedWord(plain(word.word), word.start, word.end)
        for word in words
        if word.start is not None and word.end is not None
    ]
    return timed if len(timed) == len(words) else []


def _guessed(words: Sequence[str], start: float, end: float) -> list[TimedWord]:
    """Words that share the time by their length."""
    chars = sum(len(word) + 1 for word in words)
    timed, at = [], start
    for word in words:
        until = at + max(0.0, end - start) * (len(word) + 1) / chars
        timed.append(TimedWord(word, at, until))
        at = until
    return timed


def _parts(words: Sequence[TimedWord]) -> Iterator[Sequence[TimedWord]]:
    """The words in groups that fit a cue."""
    while words:
        count = _fitting(words)
        if count < len(words):
            count = _clause(words, count)
        yield words[:count]
        words = words[count:]


def _fitting(words: Sequence[TimedWord]) -> int:
    """How many words fit a cue; one at least."""
    count = 1
    while count < len(words) and _fits(words[: count + 1]):
        count += 1
    return count


def _fits(words: Sequence[TimedWord]) -> bool:
    text = " ".join(word.text for word in words)
    return len(wrapped(text)) <= CUE_LINES and words[-1].end - words[0].start <= CUE_SECONDS


def _clause(words: Sequence[TimedWord], count: int) -> int:
    """The words up to the last end of a clause, where that leaves no less than a third of the cue."""
    for shorter in range(count, count // 3, -1):
        if words[shorter - 1].text.endswith(_CLAUSE_END):
            return shorter
    return count
