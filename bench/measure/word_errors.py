"""Counts word errors, with the normalizer and the alignment that are usual for word error rates."""

from collections.abc import Callable
from functools import cache


def word_errors(reference: str, text: str) -> tuple[int, int]:
    """Count word errors (substitutions, deletions, insertions), and the words of the reference.

    Both texts are normalized by Whisper's normalizer.
    """
    import jiwer

    expected, recognized = (_normalizer()(each) for each in (reference, text))
    total = len(expected.split())
    if not recognized or not total:
        return max(total, len(recognized.split())), total
    found = jiwer.process_words(expected, recognized)
    return found.substitutions + found.deletions + found.insertions, total


def false_words(reference: str, text: str) -> tuple[int, int]:
    """Count the words of a text that nobody said, and those of the reference. A word misheard was said.

    Where nothing was said, every word of the text counts.
    """
    import jiwer

    if not reference:
        return len(text.split()), 0
    expected, recognized = (_normalizer()(each) for each in (reference, text))
    total = len(expected.split())
    return (jiwer.process_words(expected, recognized).insertions if recognized else 0), total


@cache
def _normalizer() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str] = EnglishTextNormalizer()
    return normalize
