"""Counts the finals that cut a sentence.

A final cuts a sentence where it ends inside one: words follow it, and neither the reference text nor the
offline pass over the whole recording has a sentence end (`.`, `!`, `?`) there. "There" is between the last
word before the end of the final and the first word behind it that were recognized correctly, so that a wrong
word beside it does not count as a cut.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from bench.recordings.recording import Recording
from bench.recordings.words import normalized

_SENTENCE_END: Final = re.compile(r"[.!?…]['\")\]]*$")


def cut_sentences(recording: Recording, finals: Sequence[str]) -> int | None:
    """How many of the finals, in order, end inside a sentence; None where no sentence end is known."""
    offline = " ".join(word for word, _, _ in recording.words)
    references = [text for text in (recording.text, offline) if text]
    if not any(ends for reference in references for _, ends in _words(reference)):
        return None
    return len(set.intersection(*(set(_ends_inside(reference, finals)) for reference in references)))


def _ends_inside(reference: str, finals: Sequence[str]) -> Iterator[int]:
    """The finals, by index, that end inside a sentence of `reference`."""
    words = list(_words(reference))
    recognized = [normalized(final).split() for final in finals]
    matches = _matches([word for word, _ in words], [word for final in recognized for word in final])
    behind = 0
    for index, final in enumerate(recognized):
        behind += len(final)
        after = bisect_left(matches, behind, key=lambda pair: pair[0])
        if not final or not 0 < after < len(matches):
            continue
        (_, low), (_, high) = matches[after - 1], matches[after]
        if not any(ends for _, ends in words[low:high]):
            yield index


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether a sentence ends on it; `cold-hearted` is two words."""
    for token in text.split():
        *parts, last = normalized(token).split() or [""]
        yield from ((part, False) for part in parts)
        if last:
            yield last, _SENTENCE_END.search(token) is not None


def _matches(reference: Sequence[str], recognized: Sequence[str]) -> list[tuple[int, int]]:
    """The words that were recognized correctly: ascending pairs of their indices in both texts."""
    blocks = SequenceMatcher(None, reference, recognized, autojunk=False).get_matching_blocks()
    return [(block.b + k, block.a + k) for block in blocks for k in range(block.size)]
