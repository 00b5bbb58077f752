"""Aligns words with words: finds where two transcripts overlap, and how stable words go on."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

REACH: Final = 8  # Words that are compared: an overlap is at most 1.2 s of speech, which is about 5 words.
STRAY: Final = 1  # Words at a cut that only one side has: half a word, which was transcribed as another one.
ENDING: Final = 3  # Letters that half a word shares with the whole one; fewer may be chance.
LONG: Final = 5  # Letters of a word that may be the same though misheard: "than" and "then" are two words.
ALIKE: Final = 0.75  # The difflib ratio from which one of two words counts as an error for the other.

_NOT_WORD = re.compile(r"[^\w']+")


def normal(word: str) -> str:
    """A word as it is compared: lower case, no punctuation."""
    return _NOT_WORD.sub("", word.lower())


def same(a: str, b: str) -> bool:
    """Whether two words are the same, or so alike that one is a recognition error of the other."""
    a, b = normal(a), normal(b)
    if a == b:
        return True
    return not _are_other_numbers(a, b) and SequenceMatcher(None, a, b, autojunk=False).ratio() >= ALIKE


def _are_other_numbers(a: str, b: str) -> bool:
    """1965 and 1966 look alike and are said one behind the other; 196 may be half of either."""
    return a.isdigit() and b.isdigit() and len(a) == len(b) and a != b


def repeated(previous: Sequence[str], following: Sequence[str], expected: float = math.inf) -> int:
    """How many words at the start of `following` repeat the end of `previous`.

    The longest run of words counts that both have, if at most one stray word stands between it and the
    cut on either side, which is half a word. The first word of `following` may be the rest of one of
    `previous`. `expected` is how many words the overlap holds at the speaker's usual pace: more than twice
    as many are said twice, and of runs that differ by repetitions ("left right left right") the one with
    about as many counts.
    """
    tail, head = previous[-REACH:], following[:REACH]
    runs = [run for run in _runs(tail, head) if run.words <= 2 * expected + 1]
    if not runs:
        return 0
    best = max(runs, key=lambda run: run.score)
    periodic = [run for run in runs if run.stray == 0]
    if best.stray == 0 and len(periodic) > 1 and math.isfinite(expected):
        best = min(periodic, key=lambda run: abs(run.words - expected))
    return best.words


@dataclass(frozen=True, slots=True)
class Run:
    """Words that two texts may have in common: how many at the start of the second are dropped then."""

    words: int
    score: int
    stray: int  # words that only one of the texts has


def _runs(tail: Sequence[str], head: Sequence[str]) -> Iterator[Run]:
    for i in range(len(tail)):
        for j in range(min(STRAY + 1, len(head))):
            length = _run(tail[i:], head[j:], first_may_be_cut=j == 0)
            left = len(tail) - i - length
            if length and left <= STRAY and (score := 2 * length - left - j) > 0:
                yield Run(j + length, score, left + j)


def _run(a: Sequence[str], b: Sequence[str], *, first_may_be_cut: bool) -> int:
    length, sure = 0, False
    while length < min(len(a), len(b)):
        cut = first_may_be_cut and length == 0 and _is_end_of(b[0], a[0])
        if not cut and not same(a[length], b[length]):
            break
        sure = sure or cut or normal(a[length]) == normal(b[length]) or len(normal(b[length])) >= LONG
        length += 1
    return length if sure else 0


def _is_end_of(part: str, word: str) -> bool:
    """Whether `part` may be the rest of a `word` whose beginning was cut off."""
    part, word = normal(part), normal(word)
    if _are_other_numbers(part, word):
        return False
    return ENDING <= len(part) <= len(word) and word.endswith(part[-ENDING:])


def common_prefix(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two hypotheses have in common at their start, to the letter."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def continuation(stable: Sequence[str], words: Sequence[str]) -> int:
    """Where in `words` the text goes on behind what `stable` says of the same speech.

    The split with the least edit distance between `stable` and the words before it; of equal ones the one
    closest to the length of `stable`.
    """
    row = list(range(len(words) + 1))
    for i, said in enumerate(stable, 1):
        above, row = row, [i]
        for j, word in enumerate(words, 1):
            substitute = above[j - 1] + (normal(said) != normal(word))
            row.append(min(substitute, above[j] + 1, row[j - 1] + 1))
    return min(range(len(row)), key=lambda j: (row[j], abs(j - len(stable))))
