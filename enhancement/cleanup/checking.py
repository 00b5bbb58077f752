"""Judges whether a cleaned text still says what was said.

A language model may leave out words, add some, answer questions in the text, or obey what is said in it. So
its text is taken only where its words are nearly those that were heard, with the same numbers and negations.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Final

FILLERS: Final = frozenset(
    {"um", "uh", "uhm", "umm", "er", "erm", "ah", "eh", "hm", "hmm", "mhm", "mm", "mmm"}
)
"""Sounds that say nothing: they may go, and none may come."""

NEGATIONS: Final = frozenset(
    {"not", "no", "nor", "never", "none", "nobody", "nothing", "nowhere", "neither", "without", "cannot"}
)
MOST_CHANGED: Final = 0.25  # Share of the words: more is another sentence, and fewer than one in four a slip.
ALWAYS_ALLOWED: Final = 1  # Words that may change in an utterance of any length.
LONGEST_ADDITION: Final = 2  # Words in a row that may come in; a sentence that is made up has more.
REPEATED: Final = 3  # Words: a start that was broken off and said again may have as many.
_DIGITS: Final = re.compile(r"\d")
_BARE_NOT: Final = re.compile(
    r"\b(wo|ca|do|does|did|is|are|was|were|have|has|had|would|could|should|must|ai)nt\b", re.IGNORECASE
)
"""Contractions of "not" as recognizers write them: without the apostrophe."""

_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def rejection(heard: str, cleaned: str) -> str | None:
    """Why `cleaned` is not to be shown instead of what was `heard`; None where it may be."""
    before, after = _words(heard), _words(cleaned)
    if not after:
        return "it is empty" if before else None
    if _digits(before) != _digits(after):
        return "its numbers are others"
    if _negations(_without_repeats(before)) != _negations(_without_repeats(after)):
        return "its negations are others"
    return _too_different(_without_repeats(_spoken(before)), _without_repeats(_spoken(after)))


def _words(text: str) -> list[str]:
    """The words in one spelling: small letters, numbers as digits, "won't" as "will not"; no fillers."""
    spelled = _normalizer()(_BARE_NOT.sub(r"\1n't", text))
    return [word for word in _WORD.findall(spelled) if word not in FILLERS]


@cache
def _normalizer() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str] = EnglishTextNormalizer()
    return normalize


def _digits(words: Sequence[str]) -> str:
    """All digits in their order, so that it does not count how they are grouped."""
    return "".join(_DIGITS.findall(" ".join(_without_repeats(words))))


def _spoken(words: Sequence[str]) -> list[str]:
    """The words but for numbers, which are compared by their digits."""
    return [word for word in words if not _DIGITS.search(word)]


def _negations(words: Sequence[str]) -> Counter[str]:
    return Counter(word for word in words if word in NEGATIONS)


def _without_repeats(words: Sequence[str]) -> list[str]:
    """The words without what a speaker said again at once: "I I think", "we can we can go".

    Digits stay: who says a digit twice means it.
    """
    kept: list[str] = []
    for word in words:
        kept.append(word)
        for length in range(1, REPEATED + 1):
            tail = kept[-length:]
            if tail == kept[-2 * length : -length] and not any(map(_DIGITS.search, tail)):
                del kept[-length:]
                break
    return kept


def _too_different(before: Sequence[str], after: Sequence[str]) -> str | None:
    changed = 0
    for kind, first, end, new, new_end in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        if new_end - new - (end - first) > LONGEST_ADDITION:
            return "words were added"
        changed += max(end - first, new_end - new)
    if changed > max(ALWAYS_ALLOWED, MOST_CHANGED * len(before)):
        return f"{changed} of {len(before)} words are others"
    return None
